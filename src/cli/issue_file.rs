//! A master issue in a file.

use super::exit::Exit;
use super::terminal::ended;
use std::io::Read as _;
use std::path::Path;

/// GitHub's limit of an issue's text, in characters.
const MAX_BODY: usize = 65_536;
/// More bytes than any such text has.
const MAX_BYTES: u64 = 1 << 20;

/// Title and text of an issue.
pub(super) struct IssueFile {
    /// The first heading, if the file begins with one, else the file's name.
    pub title: String,
    /// The rest.
    pub body: String,
    /// Lines of the file before the body.
    pub skipped: usize,
}

/// Reads an issue; `-` is standard input. With a title of its own, all of the file is the body.
///
/// # Errors
/// Exit code 3: no such file, no text, or longer than an issue can be.
pub(super) fn read(path: &Path, title: Option<&str>) -> anyhow::Result<IssueFile> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let mut bytes = Vec::new();
    let taken = match path == Path::new("-") {
        true => std::io::stdin().take(MAX_BYTES + 1).read_to_end(&mut bytes),
        false => std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)),
    };
    let refused = |why: String| ended(Exit::CannotParse, why);
    taken.map_err(|e| refused(format!("cannot read {name}: {e}")))?;
    let long =
        |size: String| refused(format!("{name} has {size} characters; an issue has at most {MAX_BODY}"));
    if bytes.len() as u64 > MAX_BYTES {
        return Err(long("over a million".to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|_| refused(format!("{name} is not UTF-8 text")))?;
    let text = text.trim_start_matches('\u{feff}');
    let issue = match title {
        Some(title) => IssueFile { title: title.to_owned(), body: text.to_owned(), skipped: 0 },
        None => split(text, path),
    };
    match issue.body.chars().count() {
        size if size > MAX_BODY => Err(long(size.to_string())),
        _ => Ok(issue),
    }
}

fn split(text: &str, path: &Path) -> IssueFile {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().position(|l| !l.trim().is_empty()).unwrap_or(0);
    match lines.get(first).and_then(|l| l.strip_prefix("# ")) {
        Some(title) => IssueFile {
            title: title.trim().to_owned(),
            body: lines[first + 1..].join("\n"),
            skipped: first + 1,
        },
        None => {
            let name = path.file_stem().and_then(|n| n.to_str()).filter(|name| *name != "-");
            IssueFile { title: name.unwrap_or("Issue").to_owned(), body: text.to_owned(), skipped: 0 }
        }
    }
}
