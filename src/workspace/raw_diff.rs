//! Reads `git diff-tree -z --raw`.

use super::import::ChangedPath;
use crate::domain::Sha;

/// The mode of a submodule, whose object is a commit elsewhere.
pub(super) const SUBMODULE: u32 = 0o160_000;

/// All entries; `None` when the text is not of that form.
pub(super) fn parse(output: &[u8]) -> Option<Vec<ChangedPath>> {
    let mut fields = output.split(|b| *b == 0);
    let mut changes = Vec::new();
    while let Some(head) = fields.next().filter(|head| !head.is_empty()) {
        // `:100644 100755 <old> <new> M`, then the path: any bytes but NUL.
        let head = std::str::from_utf8(head).ok()?.strip_prefix(':')?;
        let mut words = head.split(' ');
        let old_mode = u32::from_str_radix(words.next()?, 8).ok()?;
        let new_mode = u32::from_str_radix(words.next()?, 8).ok()?;
        let new = words.nth(1)?;
        let status = words.next()?.chars().next()?;
        let blob = if new_mode == 0 { None } else { Some(Sha::parse(new)?) };
        let path = fields.next().filter(|path| !path.is_empty())?.to_vec();
        changes.push(ChangedPath { path, status, old_mode, new_mode, blob, size: 0 });
    }
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_and_nonsense_is_refused() {
        let (zero, one) = ("0".repeat(40), "1".repeat(40));
        let text = format!(":000000 120000 {zero} {one} A\0a\n:b\0:100644 000000 {one} {zero} D\0gone\0");
        let changes = parse(text.as_bytes()).expect("two entries");
        assert_eq!(
            (changes[0].path.as_slice(), changes[0].status, changes[0].new_mode),
            (&b"a\n:b"[..], 'A', 0o120_000)
        );
        assert_eq!(
            (changes[0].blob.as_ref().map(Sha::as_str), changes[1].blob.clone()),
            (Some(one.as_str()), None)
        );
        assert_eq!(parse(b""), Some(Vec::new()));
        for bad in ["x", ":100644", ":100644 100644 a b M\0x\0", &format!(":100644 100644 {one} {one} M\0")] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
