//! Whether a text names itself a master issue, and what shows that it is one unit of work instead (R1, R2).

use super::outline::{Content, Outline};
use super::purpose::is_order;
use super::select::texts;
use super::text::{bold_line, has_any, plain, spaced};
use super::words;

/// `Part of #12.`, `Parent: #12`: a line that says which issue this one belongs to.
pub(super) fn names_its_parent(outline: &Outline) -> bool {
    const LONGEST: usize = 80;
    let below_a_heading = outline.sections.iter().any(|section| {
        let named = matches!(
            spaced(&section.title).trim(),
            "parent" | "parent issue" | "parent epic" | "parent ticket"
        );
        named && texts(section).any(|line| line.contains('#') || line.contains("/issues/"))
    });
    below_a_heading
        || outline.sections.iter().flat_map(texts).any(|line| {
            let words = spaced(line);
            let starts = [
                " part of ",
                " parent ",
                " parte de ",
                " teil von ",
                " fait partie de ",
                " child of ",
                " sub issue of ",
            ];
            line.len() < LONGEST && line.contains('#') && starts.iter().any(|start| words.starts_with(start))
        })
}

/// R2: a rubric, or a definition of what is ready or done, is a list of criteria and no work.
pub(super) fn states_criteria(title: &str) -> bool {
    let text = spaced(title);
    let names = [
        "rubric",
        "rubrica",
        "definition of done",
        "definition of ready",
        "definicion de hecho",
        "definicao de pronto",
    ];
    has_any(&text, &names) && !is_order(title)
}

/// Whether the word for a master is what stands in front of the colon or in brackets.
pub(super) fn is_tagged_master(title: &str) -> bool {
    let tag = title
        .split_once(':')
        .map(|(tag, _)| tag)
        .or_else(|| title.strip_prefix('[')?.split_once(']').map(|(tag, _)| tag));
    // `Epic 4b:`, `Release checklist:`; in `Epic runner service: …` and `docs(epic): …` the word is no name.
    let names = |tag: &str| {
        let text = spaced(tag);
        let words = text.split_whitespace().count();
        words::DECLARED.any(&text) && (words <= 2 || ends_with_declared(&text)) && !is_change(tag)
    };
    tag.is_some_and(|tag| tag.len() < 30 && names(tag) && !is_order(tag)) && !only_belongs(title)
}

/// Whether a word for a master stands where a title says what the issue is: at an edge of one of its parts, or with its
/// attribute behind it (`Q3 tracking issue for …`). In the middle of a sentence it is only spoken of.
pub(super) fn stands_as_a_name(title: &str) -> bool {
    let parts = title
        .split([':', '：', '|', '—', '–', '(', ')', '（', '）', '[', ']', ',', '·', '/'])
        .flat_map(|part| part.split(" - "));
    parts.map(spaced).any(|part| {
        let Some(at) = words::DECLARED.place(&part) else { return false };
        let before = part[..at].split_whitespace().count();
        // `(for Milestone 2)`: where it belongs.
        let article = |word: &&str| matches!(*word, "a" | "an" | "the" | "one" | "each" | "any" | "this");
        let last = part[..at].split_whitespace().rev().find(|word| !article(word));
        if last.is_some_and(|word| {
            words::ATTRIBUTE_FOLLOWS.has(word) || matches!(word, "in" | "from" | "before")
        }) {
            return false;
        }
        let behind: Vec<&str> = part[at..].split_whitespace().collect();
        let attribute = (1..=3).filter_map(|n| behind.get(n)).any(|word| words::ATTRIBUTE_FOLLOWS.has(word));
        // Scripts without spaces: the word has to end or begin the part.
        let at_edge = words::DECLARED.ends(&part) || before == 0 && words::DECLARED.starts(&part);
        !part.is_ascii() && at_edge
            || part.is_ascii() && before <= 1
            || behind.len() <= 2
            || attribute
            || ends_with_declared(&part)
    })
}

/// `Umbrella epic for …`, `This is a tracker of …`: how the first words of a line (made by `spaced`) say what it heads.
pub(super) fn calls_itself_master(line: &str) -> bool {
    const NAMES: &[&str] = &["epic", "umbrella", "tracker", "tracking", "meta", "roadmap", "omnibus"];
    const STARTS: &[&str] = &["this", "is", "an", "a", "the", "our", "issue"];
    const MODIFIERS: usize = 2;
    let says = line.starts_with(" this is ") || line.starts_with(" this issue is ");
    let mut words = line.split_whitespace().skip_while(|word| STARTS.contains(word));
    let named = words.by_ref().take(if says { 1 + MODIFIERS } else { 1 }).any(|word| NAMES.contains(&word));
    named && words.take(4).any(|word| words::ATTRIBUTE_FOLLOWS.has(word) || matches!(word, "that" | "which"))
}

/// `Milestone 2: Change …`: the tag says where an order belongs.
pub(super) fn only_belongs(title: &str) -> bool {
    let parts = title.split_once(':').or_else(|| title.strip_prefix('[')?.split_once(']'));
    parts.is_some_and(|(tag, rest)| {
        has_any(&spaced(tag), &["milestone", "sprint", "hito", "marco", "meilenstein"]) && is_order(rest)
    })
}

/// A title without the names of files (`ROADMAP.md`) and what stands in code marks.
pub(super) fn without_files(title: &str) -> String {
    let outside = title.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    let is_file = |word: &&str| {
        word.rsplit_once('.').is_some_and(|(stem, end)| {
            !stem.is_empty() && (2..=4).contains(&end.len()) && end.chars().all(|c| c.is_ascii_lowercase())
        })
    };
    outside.split_whitespace().filter(|word| !is_file(word)).collect::<Vec<_>>().join(" ")
}

/// Whether the last word that is no number, or the two last, are a word for a master issue.
pub(super) fn ends_with_declared(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let end =
        words.iter().rposition(|word| !word.contains(|c: char| c.is_ascii_digit())).map_or(0, |at| at + 1);
    (1..=2.min(end)).any(|last| words::DECLARED.any(&format!(" {} ", words[end - last..end].join(" "))))
        || !text.is_ascii() && words::DECLARED.ends(text)
}

/// `V1-GP7 - Create …`, `P1-008 Create …` → `Create …`: what stands in front numbers the issue.
pub(super) fn without_identifier(title: &str) -> &str {
    let Some((first, rest)) = title.trim_start().split_once(' ') else { return title };
    let bare = first.trim_matches(['[', ']', ':', '.']);
    let is_id = bare.contains(|c: char| c.is_ascii_digit())
        && bare.contains('-')
        && bare.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '-' | '.'));
    if is_id { rest.trim_start_matches(['-', '—', '–', ':', '·', '|', ' ']) } else { title }
}

/// `[Feature] …`, `Bug: …`: the title of one request or report, whatever it speaks of.
pub(super) fn is_request(title: &str) -> bool {
    let bare = title.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '[');
    let tag = match bare.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(tag, _)| tag),
        None => bare.split_once(':').map(|(tag, _)| tag),
    };
    let request = |tag: &str| {
        matches!(
            spaced(tag).trim(),
            "feature"
                | "feature request"
                | "feat"
                | "bug"
                | "bug report"
                | "request"
                | "enhancement"
                | "question"
                | "fr"
                | "story"
                | "user story"
                | "us"
                | "idea"
                | "suggestion"
        )
    };
    tag.is_some_and(request)
}

/// `feat(ui)`, `fix`: the kind of a change in front of a title.
pub(super) fn is_change(tag: &str) -> bool {
    let word = tag.split(['(', '!']).next().unwrap_or("").trim().to_lowercase();
    matches!(
        word.as_str(),
        "feat" | "fix" | "chore" | "docs" | "refactor" | "test" | "ci" | "build" | "perf" | "style"
    )
}

/// R2: a form for reports, requests or pull requests, by its headings or the bold items that stand for them.
pub(super) fn is_form(outline: &Outline) -> bool {
    // A word alone (`Drawbacks`) is a field only where it is the whole heading.
    let asks = |text: &str| {
        let text = spaced(text);
        matches!(text.trim(), "expected" | "actual")
            || words::FORM.any_long(&text)
            || text.split_whitespace().count() <= 2 && words::FORM.any(&text)
    };
    outline.sections.iter().enumerate().any(|(index, section)| {
        index > 0 && asks(&section.title)
            || section.content.iter().any(|content| match content {
                Content::List(list) => list.items.iter().any(|item| bold_line(&item.title).is_some_and(asks)),
                Content::Text(_) | Content::Table(_) => false,
            })
    })
}

/// R2: what tells of a change and how it was tested is a pull request; a checklist in it is its author's.
pub(super) fn is_change_report(outline: &Outline) -> bool {
    let titles = || outline.sections.iter().map(|section| spaced(&section.title));
    let tells = titles().any(|title| matches!(title.trim(), "summary" | "changes" | "what changed" | "what"));
    let tested = titles().any(|title| {
        matches!(
            title.trim(),
            "test plan" | "testing" | "tests" | "how to test" | "verification" | "validation"
        )
    });
    tells && tested
}

/// R2: a user story is one unit of work; what stands below it are its criteria, unless a section is called tasks.
pub(super) fn is_story(outline: &Outline) -> bool {
    outline.sections.iter().any(|section| {
        let heading = spaced(&section.title);
        let told = texts(section).any(|line| {
            let words = spaced(line);
            let starts = [" as a ", " as an ", " as the ", " como ", " en tant que ", " als "];
            let wants = [
                "i want",
                "i need",
                "i can",
                "we need",
                "quiero",
                "quero",
                "je veux",
                "je souhaite",
                "mochte ich",
            ];
            starts.iter().any(|start| words.starts_with(start)) && has_any(&words, &wants)
        });
        told || section.level > 0 && heading.trim() == "user story"
    })
}

/// A story's slots with what they are for in brackets: `As a (who)`, `I want <goal>`.
fn is_slot(line: &str) -> bool {
    let line = plain(line).to_lowercase();
    let after = ["as a ", "as an ", "i want ", "so that "].iter().find_map(|start| line.strip_prefix(start));
    after.is_some_and(|rest| {
        let open = rest.find(['(', '<', '[', '{']);
        open.is_some_and(|at| rest[..at].split_whitespace().count() <= 1) || rest.starts_with("...")
    })
}

/// R2: a template that nobody has filled in.
pub(super) fn is_template(outline: &Outline) -> bool {
    // `As a ..., I want to ...` is two slots in one line.
    const FEWEST: usize = 2;
    let slots_of =
        |line: &String| usize::from(is_slot(line)) * (1 + usize::from(line.matches("...").count() > 1));
    let slots = outline.sections.iter().flat_map(|section| &section.content).map(|content| match content {
        Content::List(list) => list.items.iter().filter(|item| is_slot(&item.title)).count(),
        Content::Text(lines) => lines.iter().map(slots_of).sum(),
        Content::Table(_) => 0,
    });
    slots.sum::<usize>() >= FEWEST
}
