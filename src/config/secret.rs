//! The App's private key: from a file that others cannot read, or from text that may be base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// A PEM is below 4 KiB for every key that GitHub makes; anything larger is no key.
const LARGEST: u64 = 64 * 1024;

/// Why there is no private key. Never holds key material.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error("cannot read {file}: {source}")]
    Read { file: String, source: io::Error },
    #[error(
        "{file} can be read by others (mode {mode:04o}); expected mode 0600 or stricter: chmod 600 {file}"
    )]
    Mode { file: String, mode: u32 },
    #[error("{file} is not a file of less than 64 KiB")]
    NoFile { file: String },
    #[error("this is no private key; expected PEM (-----BEGIN … PRIVATE KEY-----) or base64 of it")]
    NoPem,
}

/// Reads the key at `path`. Mode and content are of the same open file, so that it cannot be swapped between.
pub(super) fn from_file(path: &Path) -> Result<SecretString, KeyError> {
    let file = path.display().to_string();
    let wrong = |source| KeyError::Read { file: file.clone(), source };
    // Without O_NONBLOCK opening a FIFO would wait for a writer.
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let handle = std::fs::OpenOptions::new().read(true).custom_flags(nonblock).open(path).map_err(wrong)?;
    let metadata = handle.metadata().map_err(wrong)?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Err(KeyError::NoFile { file });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Mode { file, mode });
    }
    let mut text = String::new();
    handle.take(LARGEST).read_to_string(&mut text).map_err(wrong)?;
    from_text(&text)
}

/// Takes PEM, PEM whose line ends were written as `\n`, or base64 of PEM (with or without line breaks).
pub(super) fn from_text(text: &str) -> Result<SecretString, KeyError> {
    let text = text.trim();
    if text.starts_with("-----BEGIN") {
        let text = if text.contains('\n') { text.to_owned() } else { text.replace("\\n", "\n") };
        return is_pem(&text).then(|| SecretString::from(text)).ok_or(KeyError::NoPem);
    }
    let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(packed).map_err(|_| KeyError::NoPem)?;
    let text = String::from_utf8(bytes).map_err(|_| KeyError::NoPem)?;
    is_pem(text.trim()).then(|| SecretString::from(text.trim().to_owned())).ok_or(KeyError::NoPem)
}

fn is_pem(text: &str) -> bool {
    let (first, last) = (text.lines().next().unwrap_or(""), text.lines().last().unwrap_or(""));
    first.starts_with("-----BEGIN ")
        && first.ends_with("PRIVATE KEY-----")
        && last.starts_with("-----END ")
        && text.lines().count() > 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;
    use std::os::unix::fs::PermissionsExt as _;

    const PEM: &str = "-----BEGIN RSA PRIVATE KEY-----\nTUlJ\n-----END RSA PRIVATE KEY-----";

    #[test]
    fn every_form_of_the_key() {
        for text in [PEM.to_owned(), format!("{PEM}\n"), PEM.replace('\n', "\\n"), STANDARD.encode(PEM)] {
            assert_eq!(from_text(&text).unwrap().expose_secret(), PEM);
        }
        for text in [
            "",
            "hello",
            &STANDARD.encode("hello"),
            "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----",
        ] {
            assert!(from_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.pem");
        std::fs::write(&path, PEM).unwrap();
        for (mode, right) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let result = from_file(&path);
            assert_eq!(result.is_ok(), right, "{mode:o}: {result:?}");
        }
        assert!(matches!(from_file(directory.path()), Err(KeyError::NoFile { .. })));
        assert!(matches!(from_file(&directory.path().join("none")), Err(KeyError::Read { .. })));
    }

    #[test]
    fn errors_hold_no_key_material() {
        let text = format!("{:?}", from_text("canary-canary").unwrap_err());
        assert!(!text.contains("canary"));
    }
}
