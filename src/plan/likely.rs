//! Overlaps that the text does not name: what a search of the repository says of pairs of tasks.

use super::model::{Confidence, Overlap, Plan};
use crate::domain::survey::{Answer, Pair, SurveyTask};

/// Of a task's details so much is searched for, in bytes.
const LONGEST_DETAILS: usize = 4_000;
/// So many likely overlaps of a plan are kept, the strongest: more are no warning but noise.
const MOST: usize = 50;
/// So much of a path or a word is repeated, in characters.
const LONGEST_NAME: usize = 120;

impl Plan {
    /// What is searched for: the open tasks with their indexes.
    pub fn to_search(&self) -> Vec<(usize, SurveyTask)> {
        let task = |index: usize| {
            let task = &self.tasks[index];
            let details = &task.details[..task.details.floor_char_boundary(LONGEST_DETAILS)];
            SurveyTask { title: task.title.clone(), details: details.to_owned(), paths: task.paths.clone() }
        };
        self.open().map(|index| (index, task(index))).collect()
    }

    /// Takes over the pairs of an answer that are likely enough and of which the text says nothing; `indexes` are those of the tasks that were
    /// searched for. The answer is foreign: what does not fit is left out.
    pub fn add_likely(&mut self, indexes: &[usize], answer: &Answer) {
        let mut pairs: Vec<(usize, usize, &Pair)> = answer
            .likely()
            .filter_map(|pair| Some((*indexes.get(pair.a)?, *indexes.get(pair.b)?, pair)))
            .filter(|(a, b, pair)| a < b && !pair.path.is_empty() && !self.is_related(*a, *b))
            .collect();
        pairs.sort_by(|x, y| y.2.score.total_cmp(&x.2.score).then((x.0, x.1).cmp(&(y.0, y.1))));
        pairs.dedup_by_key(|(a, b, _)| (*a, *b));
        pairs.truncate(MOST);
        let likely = pairs.into_iter().map(|(a, b, pair)| Overlap {
            a,
            b,
            reason: reason(pair),
            confidence: Confidence::Likely,
        });
        let likely: Vec<Overlap> = likely.collect();
        self.overlaps.extend(likely);
        self.overlaps.sort_by_key(|o| (o.a, o.b));
    }

    /// The plan as far as the text and the issues make it: what a search found depends on the branch and on who answered.
    pub fn without_search(&self) -> Self {
        let mut plan = self.clone();
        plan.overlaps.retain(|overlap| overlap.confidence == Confidence::Certain);
        plan.unsearched = None;
        plan
    }

    /// Whether the text says anything about the pair.
    fn is_related(&self, a: usize, b: usize) -> bool {
        let pair = |x: usize, y: usize| (x, y) == (a, b) || (y, x) == (a, b);
        self.overlaps.iter().any(|o| pair(o.a, o.b))
            || self.dependencies.iter().any(|d| pair(d.task, d.on))
            || self.barriers.iter().any(|w| {
                let (before, after) = (&w.before, &w.after);
                (before.contains(&a) && after.contains(&b)) || (before.contains(&b) && after.contains(&a))
            })
    }
}

fn reason(pair: &Pair) -> String {
    let plain = |text: &str| -> String {
        let chars = text.chars().map(|c| if c == '`' { '\'' } else { c });
        chars.filter(|c| !c.is_control()).take(LONGEST_NAME).collect()
    };
    let words: Vec<String> = pair.words.iter().take(3).map(|word| plain(word)).collect();
    let path = plain(&pair.path);
    match words.is_empty() {
        true => format!("both probably change `{path}`"),
        false => format!("both probably change `{path}` (words: {})", words.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Dependency, PlannedTask};

    fn pair(a: usize, b: usize, score: f64) -> Pair {
        Pair { a, b, score, path: "src/parser.rs".into(), words: vec!["tokenizer".into(), "lexer".into()] }
    }

    #[test]
    fn only_what_the_text_does_not_say_is_added() {
        let task = |done| PlannedTask { title: "t".into(), done, ..PlannedTask::default() };
        let mut plan = Plan { tasks: [true, false, false, false].map(task).to_vec(), ..Plan::default() };
        let confidence = Confidence::Certain;
        plan.dependencies.push(Dependency { task: 3, on: 2, reason: "after".into(), confidence });
        let searched: Vec<usize> = plan.to_search().into_iter().map(|(index, _)| index).collect();
        assert_eq!(searched, [1, 2, 3]);
        let odd = [
            pair(0, 9, 0.9),
            pair(9, 0, 0.9),
            pair(1, 0, 0.9),
            pair(1, 1, 0.9),
            pair(0, 2, 0.01),
            pair(0, 2, f64::NAN),
        ];
        let told = [pair(0, 1, 0.9), pair(0, 1, 0.9), pair(1, 2, 0.9)];
        plan.add_likely(
            &searched,
            &Answer { files: Vec::new(), pairs: odd.into_iter().chain(told).collect() },
        );
        let reason = "both probably change `src/parser.rs` (words: tokenizer, lexer)".to_owned();
        let before = Plan { overlaps: Vec::new(), ..plan.clone() };
        assert_eq!(plan.overlaps, [Overlap { a: 1, b: 2, reason, confidence: Confidence::Likely }]);
        assert_eq!(plan.without_search(), before);
    }

    #[test]
    fn names_from_a_repository_cannot_break_out_of_their_marks() {
        let mut odd = pair(0, 1, 1.0);
        odd.path = format!("a`b\n\u{1b}[2J{}", "x".repeat(500));
        odd.words.clear();
        let said = reason(&odd);
        assert!(
            said.starts_with("both probably change `a'b[2Jxx") && said.ends_with("x`") && said.len() < 200,
            "{said}"
        );
    }
}
