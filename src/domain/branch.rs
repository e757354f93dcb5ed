//! The names of the branches that Divisi pushes.

use super::TaskNumber;
use unicode_normalization::UnicodeNormalization;

/// The longest slug of a title in a branch name, in characters.
const SLUG_MAX: usize = 40;

/// The branch of a task: `divisi/<master>/<task>-<slug>`, and `divisi/<master>.<n>/…` from the master's second run on.
///
/// A title may hold anything (T16 in the threat model: `$(…)`, `;`, newlines, `--flags`); only numbers and `[a-z0-9-]{0,40}` reach the name.
/// The name is unique within a repository because a task's number is unique within a run.
pub fn branch_name(master: u64, run_seq: u32, task: TaskNumber, title: &str) -> String {
    let run = if run_seq > 1 { format!("{master}.{run_seq}") } else { master.to_string() };
    format!("divisi/{run}/{task}-{}", slug(title))
}

/// Lower-case ASCII letters and digits of a title with single dashes between words, at most 40 characters; `task` when nothing is left.
fn slug(title: &str) -> String {
    let mut slug = String::new();
    let mut pending_dash = false;
    // NFKD takes accents off their letters, so that "Überprüfung" keeps its word shape; the marks themselves are skipped.
    for c in title.nfkd().filter(|c| !('\u{300}'..='\u{36f}').contains(c)) {
        if !c.is_ascii_alphanumeric() {
            pending_dash = !slug.is_empty();
            continue;
        }
        if slug.len() + usize::from(pending_dash) >= SLUG_MAX {
            break;
        }
        if pending_dash {
            slug.push('-');
            pending_dash = false;
        }
        slug.push(c.to_ascii_lowercase());
    }
    if slug.is_empty() { "task".to_owned() } else { slug }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_follow_the_contract() {
        assert_eq!(
            branch_name(1234, 1, 5, "Add retry to the HTTP client"),
            "divisi/1234/5-add-retry-to-the-http-client"
        );
        assert_eq!(
            branch_name(1234, 3, 5, "Überprüfung: `$(id)`; --force\n@{u}"),
            "divisi/1234.3/5-uberprufung-id-force-u"
        );
        assert_eq!(branch_name(1, 0, 1, "🎻🎻🎻"), "divisi/1/1-task");
        assert_eq!(branch_name(7, 1, 2, "a".repeat(300).as_str()), format!("divisi/7/2-{}", "a".repeat(40)));
        assert_eq!(
            branch_name(7, 1, 2, &format!("{} tail", "a".repeat(39))),
            format!("divisi/7/2-{}", "a".repeat(39))
        );
    }

    proptest! {
        #[test]
        fn any_title_gives_a_harmless_slug(title in any::<String>()) {
            let slug = slug(&title);
            prop_assert!((1..=SLUG_MAX).contains(&slug.len()));
            prop_assert!(slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            prop_assert!(!slug.starts_with('-') && !slug.ends_with('-') && !slug.contains("--"));
        }
    }
}
