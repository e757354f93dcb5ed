//! How well the labelled issues are read, by the rules of `tests/fixtures/plans/LABELLING.md`.

use super::{Case, blind, cases, fresh, read, shapes, unseen};
use std::collections::{BTreeMap, BTreeSet};
use unicode_normalization::UnicodeNormalization;

/// The normalisation of the labelling rules: what is left is what a person would call the same title.
fn norm(title: &str) -> String {
    let text: String = title.nfkc().collect();
    let text = links_to_text(text.trim());
    let text: String = text.replace("~~", "").chars().filter(|c| !matches!(c, '*' | '`')).collect();
    let text = strip_underscores(&text);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.trim_start_matches(|c: char| !(c.is_alphanumeric() || "_#[(<@/.$".contains(c)));
    let text = without_number(text);
    let text = without_step(text);
    text.to_lowercase().trim_end_matches([' ', '.', ':', ';']).to_owned()
}

/// `[text](url)` and `[text][ref]` → `text`, `<url>` → `url`.
fn links_to_text(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find(['[', '<']) {
        out.push_str(&rest[..open]);
        let tail = &rest[open..];
        if let Some(url) = tail.strip_prefix('<') {
            match url.find('>').filter(|_| url.starts_with("http")) {
                Some(end) => {
                    out.push_str(&url[..end]);
                    rest = &url[end + 1..];
                }
                None => {
                    out.push('<');
                    rest = url;
                }
            }
            continue;
        }
        let link = tail.find(']').and_then(|close| {
            let target = &tail[close + 1..];
            let end = [('(', ')'), ('[', ']')]
                .iter()
                .find_map(|(o, c)| target.starts_with(*o).then(|| target.find(*c)).flatten())?;
            Some((&tail[1..close], &target[end + 1..]))
        });
        match link {
            Some((words, after)) => {
                out.push_str(words);
                rest = after;
            }
            None => {
                out.push('[');
                rest = &tail[1..];
            }
        }
    }
    out + rest
}

fn strip_underscores(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut keep = vec![true; chars.len()];
    let word = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric());
    let mut at = 0;
    while at < chars.len() {
        let end = at + chars[at..].iter().take_while(|&&c| c == '_').count();
        if end > at
            && (!word(at.checked_sub(1).and_then(|before| chars.get(before))) || !word(chars.get(end)))
        {
            keep[at..end].fill(false);
        }
        at = end.max(at + 1);
    }
    chars.iter().zip(keep).filter(|(_, keep)| *keep).map(|(c, _)| c).collect()
}

fn without_number(text: &str) -> &str {
    let bare = text.trim_start_matches('(');
    let end = bare.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(bare.len());
    let number = bare[..end].trim_end_matches('.');
    let after = &bare[number.len()..];
    let marked = after.strip_prefix(['.', ')']).filter(|rest| rest.starts_with(' '));
    if number.is_empty() { text } else { marked.map_or(text, str::trim_start) }
}

fn without_step(text: &str) -> &str {
    let lower = text.to_lowercase();
    for word in ["sub-task", "subtask", "task", "step", "phase", "story", "item"] {
        let Some(rest) = lower.strip_prefix(word) else { continue };
        let rest = rest.trim_start().trim_start_matches('#');
        let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let tail = digits.trim_start();
        if rest.len() > digits.len() && tail.starts_with([':', '.', ')', '–', '—', '-']) {
            return text[text.len() - tail.len()..]
                .trim_start_matches([':', '.', ')', '–', '—', '-'])
                .trim_start();
        }
    }
    text
}

#[derive(Default)]
struct Score {
    hits: usize,
    predicted: usize,
    labelled: usize,
}

impl Score {
    fn f1(&self) -> f64 {
        if self.predicted + self.labelled == 0 {
            1.0
        } else {
            2.0 * self.hits as f64 / (self.predicted + self.labelled) as f64
        }
    }
}

fn common(a: &[String], b: &[String]) -> usize {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    a.iter().for_each(|title| *left.entry(title).or_default() += 1);
    let taken = b.iter().filter(|title| match left.get_mut(title.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    });
    taken.count()
}

/// How well a set is read. The first five are shares or F1 from 0 to 1.
struct Figures {
    titles: f64,
    exact: f64,
    empty: f64,
    master: f64,
    edges: f64,
}

fn measure(name: &str, cases: &[Case]) -> Figures {
    let (mut negatives, mut empty) = (0, 0);
    let (mut titles, mut edges, mut walls) = (Score::default(), Score::default(), Score::default());
    let (mut exact, mut master, mut done, mut existing, mut matched) = (0, 0, 0, 0, 0);
    for case in cases {
        let plan = read(case);
        let wanted: Vec<String> = case.expected.tasks.iter().map(|task| norm(&task.title)).collect();
        let found: Vec<String> = plan.tasks.iter().map(|task| norm(&task.title)).collect();
        titles.hits += common(&wanted, &found);
        titles.labelled += wanted.len();
        titles.predicted += found.len();
        exact += usize::from(wanted == found);
        negatives += usize::from(!case.expected.is_master);
        empty += usize::from(!case.expected.is_master && found.is_empty());
        master += usize::from(plan.is_master == case.expected.is_master);
        let want: BTreeSet<_> =
            case.expected.dependencies.iter().map(|e| (&wanted[e.task], &wanted[e.on])).collect();
        let have: BTreeSet<_> = plan.dependencies.iter().map(|d| (&found[d.task], &found[d.on])).collect();
        edges.hits += want.intersection(&have).count();
        edges.labelled += want.len();
        edges.predicted += have.len();
        let want_walls: BTreeSet<_> =
            case.expected.barriers.iter().map(|w| (w.before.clone(), w.after.clone())).collect();
        let have_walls: BTreeSet<_> =
            plan.barriers.iter().map(|w| (w.before.clone(), w.after.clone())).collect();
        walls.hits += want_walls.intersection(&have_walls).count();
        walls.labelled += want_walls.len();
        walls.predicted += have_walls.len();
        if wanted == found {
            for (want, have) in case.expected.tasks.iter().zip(&plan.tasks) {
                matched += 1;
                done += usize::from(want.done == have.done);
                let same =
                    want.existing_issue == have.existing_issue && want.existing_ref == have.existing_ref;
                existing += usize::from(same);
            }
        }
        if wanted != found
            || plan.is_master != case.expected.is_master
            || want != have
            || want_walls != have_walls
        {
            println!(
                "{} {}\n  wanted {wanted:?} {want:?} {want_walls:?}\n  found  {found:?} {have:?} {have_walls:?}",
                case.id, case.title
            );
        }
    }
    let share = |part: usize, whole: usize| part as f64 / whole as f64;
    let figures = Figures {
        titles: titles.f1(),
        exact: share(exact, cases.len()),
        empty: share(empty, negatives),
        master: share(master, cases.len()),
        edges: edges.f1(),
    };
    crate::support::figures::tell(
        "plan",
        &format!(
            "{name}: {} issues, titles F1 {:.3}, exact lists {:.3}, empty on negatives {:.3}, master {:.3}, dependencies F1 {:.3}, barriers F1 {:.3}, done {:.3}, existing issue {:.3}",
            cases.len(),
            figures.titles,
            figures.exact,
            figures.empty,
            figures.master,
            figures.edges,
            walls.f1(),
            share(done, matched),
            share(existing, matched),
        ),
    );
    figures
}

/// The least that a set has to reach.
struct Floors {
    issues: usize,
    titles: f64,
    exact: f64,
    empty: f64,
    master: f64,
    edges: f64,
}

// The rules were written with every set at hand by now: the floors guard against going back, they do not say how well unseen
// issues are read. docs/plans.md has the figures of the first reading of each.
fn reaches(name: &str, cases: &[Case], floors: &Floors) {
    assert!(cases.len() >= floors.issues, "{name}: only {} issues", cases.len());
    let figures = measure(name, cases);
    for (what, reached, floor) in [
        ("titles F1", figures.titles, floors.titles),
        ("exact lists", figures.exact, floors.exact),
        ("empty on negatives", figures.empty, floors.empty),
        ("master", figures.master, floors.master),
        ("dependencies F1", figures.edges, floors.edges),
    ] {
        assert!(reached >= floor, "{name}: {what} {reached:.3}, and it was at least {floor}");
    }
}

#[test]
fn the_labelled_cases_are_read_at_least_this_well() {
    let floors = Floors { issues: 65, titles: 0.96, exact: 0.92, empty: 0.95, master: 0.97, edges: 0.85 };
    assert_eq!(cases().len(), 65);
    reaches("corpus", &cases(), &floors);
}

#[test]
fn further_shapes_are_read_at_least_this_well() {
    let floors = Floors { issues: 66, titles: 0.95, exact: 0.85, empty: 0.95, master: 0.95, edges: 0.85 };
    reaches("shapes", &shapes(), &floors);
}

#[test]
fn issues_written_down_unseen_are_read_at_least_this_well() {
    let floors = Floors { issues: 68, titles: 0.95, exact: 0.85, empty: 0.95, master: 0.95, edges: 0.85 };
    reaches("unseen", &unseen(), &floors);
}

#[test]
fn issues_written_down_after_that_are_read_at_least_this_well() {
    let floors = Floors { issues: 93, titles: 0.90, exact: 0.85, empty: 0.80, master: 0.85, edges: 0.75 };
    reaches("blind", &blind(), &floors);
}

#[test]
fn issues_written_down_last_are_read_at_least_this_well() {
    let floors = Floors { issues: 60, titles: 0.90, exact: 0.85, empty: 0.85, master: 0.90, edges: 0.75 };
    reaches("fresh", &fresh(), &floors);
}
