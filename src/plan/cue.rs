//! The words and signs of order: what says "waits for", "blocks", "sequential", and what turns it round.

use super::outline::{Content, Outline};
use super::phrases::Phrases;
use super::text::{cut, has_any, one_line, outside_brackets, spaced};
use std::sync::OnceLock;

/// Which side of a word of order waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// `X <word> Y`: X waits for Y.
    Waits,
    /// `X <word> Y`: Y waits for X.
    HoldsUp,
    /// `Y <word> X`: X waits for Y, which stands right before the word (`#1 の完了後`, `#1 first`).
    Behind,
}

/// A word of order in a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cue {
    pub at: usize,
    pub end: usize,
    pub turn: Turn,
    pub word: &'static str,
}

/// The words, in lower case. A word in a script that joins words counts anywhere, others as whole words.
#[rustfmt::skip]
const WORDS: &[(Turn, &[&str])] = &[
    (Turn::Waits, &[
        "depends on", "depend on", "dependent on", "depending on", "depends upon", "dependencies:", "dependency:",
        "depends:", "deps:", "blocked by", "blocked-by", "blocked on", "blocker:", "blockers:", "waits for",
        "wait for", "waiting for", "waits on", "wait on", "waiting on", "awaits", "awaiting", "pending", "requires",
        "require", "needs", "need", "after", "once", "until", "when", "as soon as", "builds on", "build on",
        "built on", "on top of", "prerequisite:", "prerequisites:", "prereq:", "prereqs:", "predecessor:",
        "predecessors:", "follows", "following", "follow-up to", "follow up to", "relies on", "rely on", "gated on",
        "gated by", "gated behind", "stacked on", "unblocked by", "contingent on",
        "depende de", "dependen de", "depende del", "depende do", "depende da", "depende dos", "depende das",
        "despues de", "después de", "requiere", "necesita", "tras", "una vez", "hasta", "espera a",
        "bloqueado por", "bloqueada por", "depois de", "depois do", "depois da", "após", "requer", "precisa de",
        "precisa do", "precisa da", "aguarda", "até", "dépend de", "dépend du", "dépend des", "dépendent de",
        "après", "bloqué par", "bloquée par", "nécessite", "requiert", "attend", "une fois", "hängt ab von",
        "hängt von", "hängen von", "abhängig von", "nach", "wartet auf", "warten auf", "blockiert durch",
        "blockiert von", "benötigt", "braucht", "sobald", "wenn", "dipende da", "dopo", "bloccato da", "richiede",
        "зависит от", "зависят от", "после", "ждёт", "ждет", "ожидает", "требует", "блокируется",
        "依赖于", "依赖", "依賴", "取决于", "等待", "需要", "依存:", "前提:", "선행:", "의존:",
    ]),
    (Turn::HoldsUp, &[
        "blocks", "blocking", "unblocks", "unlocks", "gates", "prerequisite for", "prerequisite of",
        "dependency of", "dependency for", "required by", "required for", "before", "prior to", "ahead of",
        "needed by", "needed for", "precedes", "bloquea", "bloquea a", "desbloquea", "antes de", "antes del",
        "bloqueia", "antes do", "antes da", "bloque", "débloque", "avant", "blockiert", "voraussetzung für", "vor",
        "blocca", "prima di", "блокирует", "перед", "阻塞", "阻碍",
    ]),
    (Turn::Behind, &[
        "first", "の完了後", "完了後", "の後", "のあと", "に依存", "を待つ", "が終わってから", "が終わったら",
        "完成后", "完成之后", "之后", "以后", "合并后", "이후", "완료 후", "후에", "에 의존", "다음에",
    ]),
];

/// Words between a word of order and the names that it is about.
static FILLERS: Phrases = Phrases::of(&[
    "and",
    "or",
    "the",
    "both",
    "of",
    "on",
    "issue",
    "issues",
    "completion",
    "merging",
    "landing",
    "closing",
    "finishing",
    "merge",
    "pr",
    "prs",
    "y",
    "e",
    "et",
    "und",
    "task",
    "tasks",
    "is",
    "all",
    "sub-issue",
    "sub-issues",
    "sub-task",
    "sub-tasks",
    "item",
    "items",
    "step",
    "steps",
    "de",
    "del",
    "la",
    "el",
    "los",
    "las",
    "do",
    "da",
    "der",
    "die",
    "das",
    "dem",
    "den",
    "le",
    "les",
    "tarea",
    "tareas",
    "tarefa",
    "tarefas",
    "aufgabe",
    "aufgaben",
    "tache",
    "taches",
    "и",
    "задачи",
    "задача",
    "задач",
    "from",
    "has",
    "that",
]);

/// The words of order in a line that was lowered by [`lowered`], by place; of two at one place the longer.
pub(super) fn cues(lower: &str) -> Vec<Cue> {
    static INDEX: OnceLock<Vec<Vec<(Turn, &'static str)>>> = OnceLock::new();
    let index = INDEX.get_or_init(|| {
        let mut index = vec![Vec::new(); 256];
        for (turn, words) in WORDS {
            for word in *words {
                index[usize::from(word.as_bytes()[0])].push((*turn, *word));
            }
        }
        index
    });
    let mut found: Vec<Cue> = Vec::new();
    let mut previous = None;
    for (at, c) in lower.char_indices() {
        let before = previous.replace(c);
        let starts = before.is_none_or(|b| !b.is_alphanumeric()) || joins_words(c);
        if !starts || found.last().is_some_and(|last: &Cue| at < last.end) {
            continue;
        }
        let rest = &lower[at..];
        let candidates = &index[usize::from(lower.as_bytes()[at])];
        let here = candidates.iter().filter_map(|&(turn, word)| Some((turn, word, length_of(rest, word)?)));
        if let Some((turn, word, length)) = here.max_by_key(|(_, _, length)| *length) {
            found.push(Cue { at, end: at + length, turn, word });
        }
    }
    found
}

/// How long the word of order is that `rest` begins with. A colon may stand behind emphasis (`**Dependencies**: 1`).
fn length_of(rest: &str, word: &str) -> Option<usize> {
    if let Some(stem) = word.strip_suffix(':') {
        let behind = rest.strip_prefix(stem)?.trim_start_matches(['*', '_', ' ']);
        let behind = behind.strip_prefix([':', '：'])?;
        return Some(rest.len() - behind.len());
    }
    let behind = rest.strip_prefix(word)?;
    let joins = word.chars().next_back().is_some_and(joins_words);
    let ends = behind.chars().next().is_none_or(|next| !next.is_alphanumeric() || joins_words(next));
    (joins || ends).then_some(word.len())
}

/// Whether a letter is of a script that puts no spaces between words.
pub(super) fn joins_words(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}')
}

/// Lower case in which every letter stays at its byte.
pub(super) fn lowered(line: &str) -> String {
    if line.is_ascii() {
        return line.to_ascii_lowercase();
    }
    let lower = |c: char| {
        let mut lower = c.to_lowercase();
        match (lower.next(), lower.next()) {
            (Some(one), None) if one.len_utf8() == c.len_utf8() => one,
            _ => c,
        }
    };
    line.chars().map(lower).collect()
}

/// Whether a word may stand between a word of order and a name. Short runs of a script without spaces are remarks such
/// as "first finish".
pub(super) fn is_filler(word: &str) -> bool {
    FILLERS.has(&super::text::fold(word)) || word.chars().count() <= 4 && word.chars().all(joins_words)
}

/// How a text says that things come one after the other.
static IN_SEQUENCE: Phrases = Phrases::of(&[
    "sequential",
    "sequentially",
    "serially",
    "in sequence",
    "one after the other",
    "one after another",
    "one at a time",
    "in this order",
    "in that order",
    "in the order listed",
    "in the listed order",
    "in order",
    "strictly ordered",
    "strictly sequential",
    "the one before",
    "the previous one",
    "the one above",
    "its predecessor",
    "secuencial",
    "secuenciales",
    "secuencialmente",
    "en orden",
    "en este orden",
    "una tras otra",
    "uno tras otro",
    "sequencial",
    "sequenciais",
    "em ordem",
    "nesta ordem",
    "uma de cada vez",
    "sequentiell",
    "sequenziell",
    "nacheinander",
    "der reihe nach",
    "in dieser reihenfolge",
    "sequentielle",
    "sequentielles",
    "dans l'ordre",
    "dans cet ordre",
    "l'une apres l'autre",
    "順番に",
    "逐次",
    "按顺序",
    "依次",
    "顺序执行",
    "последовательн",
    "по очереди",
    "по порядку",
    "순서대로",
    "차례로",
]);
/// Words that, beside "by phase" or "next phase", make it an order and not a manner of counting.
static STARTS_OR_ENDS: Phrases = Phrases::of(&[
    "dispatch",
    "before",
    "after",
    "complete",
    "completed",
    "finished",
    "closed",
    "depends",
    "start",
    "starts",
    "begin",
    "begins",
    "gate",
    "gates",
    "release",
    "merge",
    "merged",
    "work",
    "run",
]);
/// What says that things may come in any order, wherever it stands.
static FREE: Phrases = Phrases::of(&[
    "independent",
    "independently",
    "any order",
    "in parallel",
    "unabhangig",
    "independientes",
    "independientemente",
]);

/// The line that says that stages called `word` are sequential.
pub(super) fn said_of_stages(outline: &Outline, word: &str) -> Option<String> {
    let plurals = [format!("{word}s"), format!("{word}n"), format!("{word}en"), word.to_owned()];
    let plurals: Vec<&str> = plurals.iter().map(String::as_str).collect();
    let by = [
        format!("by {word}"),
        format!("{word} by {word}"),
        format!("previous {word}"),
        format!("next {word}"),
        format!("{word} para {word}"),
        format!("{word} fur {word}"),
    ];
    let by: Vec<&str> = by.iter().map(String::as_str).collect();
    let may_name = |line: &str| {
        let mut windows = line.as_bytes().windows(word.len());
        !line.is_ascii() || windows.any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
    };
    let says = |line: &&str| {
        if !may_name(line) {
            return false;
        }
        let words = spaced(line);
        says_sequential(line, &plurals)
            || has_any(&words, &by)
                && STARTS_OR_ENDS.any(&words)
                && by.iter().filter_map(|by| words.find(by)).all(|at| !denied_near(&words, at))
    };
    outline.sections.iter().find_map(|section| {
        let title = std::iter::once(section.title.as_str());
        let content = section.content.iter().flat_map(|content| match content {
            Content::Text(lines) => lines.iter().map(String::as_str).collect::<Vec<_>>(),
            Content::List(list) => list.items.iter().map(|item| item.title.as_str()).collect(),
            Content::Table(_) => Vec::new(),
        });
        title.chain(content).find(says).map(str::to_owned)
    })
}

/// What a text calls its tasks where it says that they follow one another.
const THINGS: &[&str] = &[
    "each step",
    "each task",
    "each item",
    "each issue",
    "every step",
    "every task",
    "tasks",
    "steps",
    "items",
    "issues",
    "these",
    "following",
    "sub issues",
    "prs",
    "pull requests",
    "tickets",
    "stories",
    "tareas",
    "tarefas",
    "taches",
    "aufgaben",
    "schritte",
    "pasos",
    "passos",
];

/// Whether a line says that the tasks follow one another.
pub(super) fn tasks_are_sequential(line: &str) -> bool {
    says_sequential(line, THINGS)
}

/// Whether a line says of `things` that they come one after the other.
fn says_sequential(line: &str, things: &[&str]) -> bool {
    let words = spaced(line);
    let Some(at) = IN_SEQUENCE.place(&words) else { return false };
    has_any(&words, things)
        && !["in order to ", "in order of "].iter().any(|start| words[at..].starts_with(start))
        && !FREE.any(&words)
        && !denied_near(&words, at)
}

/// Whether one of the few words before the byte `at` says no.
fn denied_near(words: &str, at: usize) -> bool {
    const NEAR: usize = 4;
    let before = words.get(..at).unwrap_or("");
    before.split_whitespace().rev().take(NEAR).any(denies)
}

fn denies(word: &str) -> bool {
    matches!(
        word,
        "not"
            | "no"
            | "never"
            | "without"
            | "longer"
            | "nicht"
            | "kein"
            | "keine"
            | "pas"
            | "non"
            | "nao"
            | "nunca"
            | "не"
            | "cannot"
    ) || word.ends_with("n't")
        || word.ends_with("n’t")
}

/// The words right before a keyword that turn it round: `does not depend on`.
pub(super) fn is_denied(before: &str) -> bool {
    const NEAR: usize = 24;
    if before.ends_with(['不', '没', '非', '未']) {
        return true;
    }
    let from = before.ceil_char_boundary(before.len().saturating_sub(NEAR));
    spaced(&before[from..]).split_whitespace().rev().take(3).any(denies)
}

/// Where the sentence around byte `at` starts, list marker and emphasis skipped.
pub(super) fn sentence_start(line: &str, at: usize) -> usize {
    let before = &line[..at];
    let from = [". ", "; ", ": ", "! ", "? ", "。", "；", "："]
        .iter()
        .filter_map(|end| before.rfind(end).map(|found| found + end.len()))
        .max()
        .unwrap_or(0);
    let sentence = &before[from..];
    let marks = sentence.len()
        - sentence.trim_start_matches([' ', '\t', '-', '*', '+', '|', '>', '_', '~', '✓', '✅']).len();
    let start = from + marks;
    ["[ ] ", "[x] ", "[X] "]
        .iter()
        .find(|mark| before[start..].starts_with(**mark))
        .map_or(start, |mark| start + mark.len())
}

/// Whether a line may hold an arrow or a word that stands for one.
pub(super) fn may_hold_arrows(lower: &str) -> bool {
    lower.contains('>')
        || lower.contains(" then ")
        || lower.contains("followed by")
        || !lower.is_ascii() && (lower.contains(HEADS) || THEN.iter().any(|word| lower.contains(word)))
}

const HEADS: [char; 7] = ['→', '>', '⇒', '►', '➜', '⟶', '▶'];
/// What stands between two names when the second comes after the first, without spaces.
const THEN: &[&str] = &[
    "then",
    "andthen",
    "followedby",
    "thenby",
    "dann",
    "unddann",
    "luego",
    "yluego",
    "puis",
    "etpuis",
    "depois",
    "затем",
    "потом",
    "然后",
    "再",
];

/// Whether the text between two names says that the second comes after the first: an arrow, perhaps behind the rest
/// of the first one's title, or a word such as "then".
pub(super) fn is_arrow(between: &str) -> bool {
    const MOST_WORDS: usize = 5;
    let text = outside_brackets(between);
    let joined: String =
        text.chars().filter(|c| !c.is_whitespace() && !matches!(c, ',' | ';' | '*' | '_')).collect();
    if THEN.contains(&joined.to_lowercase().as_str()) {
        return true;
    }
    let is_sign = |c: char| matches!(c, '-' | '=' | '─' | '━') || HEADS.contains(&c);
    let Some(head) = text.find(HEADS) else { return false };
    let left = text[..head].trim_end_matches(is_sign);
    let right = text[head..].trim_start_matches(is_sign);
    // A lone `>` behind a letter closes a tag.
    let tag = text[head..].starts_with('>')
        && left.len() == head
        && !left.is_empty()
        && !left.ends_with([' ', '*', '`']);
    let sentence_ends = left.contains(['.', ';', ':', '<']) && left.trim() != ".";
    !tag && !sentence_ends
        && left.split_whitespace().count() <= MOST_WORDS
        && right.chars().all(|c| c.is_whitespace() || matches!(c, '*' | '`' | '_' | '[' | '"'))
}

pub(super) fn is_and(between: &str) -> bool {
    let words = between.trim();
    !between.is_empty()
        && (words.is_empty()
            || matches!(
                words,
                "," | "&"
                    | "+"
                    | "and"
                    | ", and"
                    | "/"
                    | "||"
                    | "|"
                    | "、"
                    | "，"
                    | "y"
                    | "e"
                    | "et"
                    | "und"
                    | "и"
                    | "和"
                    | "と"
                    | "∥"
            ))
}

pub(super) fn as_reason(line: &str) -> String {
    const LONGEST: usize = 200;
    let line = one_line(line);
    let line = ["- ", "* ", "+ "].iter().find_map(|marker| line.strip_prefix(marker)).unwrap_or(&line);
    if line.len() <= LONGEST { line.to_owned() } else { format!("{}…", cut(line, LONGEST)) }
}
