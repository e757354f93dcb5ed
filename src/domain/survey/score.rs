//! From evidence to the probability that a task changes a file.
//!
//! Each file gets some features between 0 and 1, which a logistic function with fitted [`WEIGHTS`] brings together. A second round looks at what
//! changes together with the likely files.

use super::search::{Change, File, Hit, Term, Wanted};
use super::{LikelyFile, MOST_FILES, is_ledger};
use std::collections::{BTreeMap, HashMap};

/// How many features there are.
pub const FEATURES: usize = 7;

/// Evidence for one file: 1 always, words in the path, in the content, in messages of changes, how often the file changes, what it changes
/// together with, and that the task names it.
pub type Features = [f64; FEATURES];

/// What each feature counts, in log odds. That a file changes together with the likely ones counts against it: what the other features know of
/// such a file already comes from changes that went along. Fitted by `cargo bench --bench overlap -- --fit`.
pub const WEIGHTS: Features = [-6.3, 1.7, 4.4, 13.5, 4.3, -4.0, 3.6];

/// A file is not told of whose probability is less.
const LEAST: f64 = 0.01;
/// So many of the likeliest files speak for what changes together with them.
const SPEAK: usize = 8;
/// A term in few messages says little: as if so many more were without the file.
const UNSEEN: f64 = 3.0;
/// So many changes tell how often each file changes.
const YOUNG: f64 = 20.0;
/// Words that led to a file, at most.
const WORDS: usize = 4;

/// Everything that was found.
pub(super) struct Corpus<'a> {
    files: &'a [String],
    written: &'a [String],
    hits: &'a [HashMap<File, Hit>],
    lengths: &'a HashMap<File, u32>,
    changes: &'a [Change],
    mean_length: f64,
    /// By term: how rare it is among paths and files, and in how many messages it stands.
    rarity: Vec<f64>,
    told: Vec<u32>,
    /// By file: its changes.
    changed: Vec<Vec<u32>>,
    /// By term: the changes whose message has it.
    by_term: Vec<Vec<u32>>,
}

impl<'a> Corpus<'a> {
    pub fn new(
        files: &'a [String],
        written: &'a [String],
        hits: &'a [HashMap<File, Hit>],
        lengths: &'a HashMap<File, u32>,
        changes: &'a [Change],
    ) -> Self {
        let total: f64 = lengths.values().map(|n| f64::from(*n)).sum();
        let mut changed = vec![Vec::new(); files.len()];
        let mut by_term = vec![Vec::new(); written.len()];
        for (at, change) in changes.iter().enumerate() {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            change.files.iter().for_each(|file| changed[*file].push(at));
            change.terms.iter().for_each(|term| by_term[*term].push(at));
        }
        let count = files.len() as f64;
        let rare = |of: &HashMap<File, Hit>| ((count + 1.0) / (of.len() as f64 + 0.5)).ln().max(0.0);
        Self {
            files,
            written,
            hits,
            lengths,
            changes,
            mean_length: if lengths.is_empty() { 1.0 } else { (total / lengths.len() as f64).max(1.0) },
            rarity: hits.iter().map(rare).collect(),
            told: by_term.iter().map(|all| u32::try_from(all.len()).unwrap_or(u32::MAX)).collect(),
            changed,
            by_term,
        }
    }

    /// How rare a term is in messages.
    fn rare_in_messages(&self, term: Term) -> f64 {
        ((self.changes.len() as f64 + 1.0) / (f64::from(self.told[term]) + 0.5)).ln().max(0.0)
    }
}

/// What speaks for a file.
#[derive(Default)]
pub(super) struct Found {
    pub features: Features,
    /// Each term with what it adds, for the reason.
    because: Vec<(f64, Term)>,
}

/// The evidence for every file that anything speaks for.
pub(super) fn features(corpus: &Corpus<'_>, task: &Wanted) -> BTreeMap<File, Found> {
    let mut all: BTreeMap<File, Found> = BTreeMap::new();
    let (mut of_files, mut of_messages) = (0.0, 0.0);
    for &(term, counts) in &task.terms {
        let rare = corpus.rarity[term] * counts;
        of_files += rare;
        for (&file, hit) in &corpus.hits[term] {
            let length = corpus.lengths.get(&file).map_or(1.0, |n| f64::from(*n) / corpus.mean_length);
            let often = f64::from(hit.count);
            let content = often / (often + 1.2 * (0.3 + 0.7 * length));
            let found = all.entry(file).or_default();
            found.features[1] += rare * hit.path;
            found.features[2] += rare * content;
            found.because.push((rare * (WEIGHTS[1] * hit.path + WEIGHTS[2] * content), term));
        }
        let rare = corpus.rare_in_messages(term) * counts;
        of_messages += rare;
        let mut by_file: HashMap<File, f64> = HashMap::new();
        for &at in &corpus.by_term[term] {
            corpus.changes[at as usize]
                .files
                .iter()
                .for_each(|file| *by_file.entry(*file).or_default() += 1.0);
        }
        for (file, times) in by_file {
            let share = times / (f64::from(corpus.told[term]) + UNSEEN);
            let found = all.entry(file).or_default();
            found.features[3] += rare * share;
            found.because.push((rare * WEIGHTS[3] * share, term));
        }
    }
    for &file in &task.named {
        all.entry(file).or_default().features[6] = 1.0;
    }
    all.retain(|file, _| !is_ledger(&corpus.files[*file]));
    for (&file, found) in &mut all {
        found.features[0] = 1.0;
        found.features[1] /= of_files.max(1e-9);
        found.features[2] /= of_files.max(1e-9);
        found.features[3] /= of_messages.max(1e-9);
        // A file in a hundredth of all changes is in the middle; in a young repository every one is.
        let share =
            (corpus.changed[file].len() as f64 + YOUNG * 0.01) / (corpus.changes.len() as f64 + YOUNG);
        found.features[4] = (share / 0.01).ln_1p() / 100.0_f64.ln_1p();
    }
    together(corpus, &mut all);
    all
}

/// The second round: what changes together with the likely files.
fn together(corpus: &Corpus<'_>, all: &mut BTreeMap<File, Found>) {
    let mut likely: Vec<(f64, File)> =
        all.iter().map(|(file, found)| (probability(&found.features), *file)).collect();
    likely.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut pulled: BTreeMap<File, f64> = BTreeMap::new();
    for &(sure, file) in likely.iter().take(SPEAK) {
        let changes = &corpus.changed[file];
        let each = sure / (changes.len() as f64 + UNSEEN);
        for &at in changes {
            let others = corpus.changes[at as usize].files.iter().filter(|other| **other != file);
            others.for_each(|other| *pulled.entry(*other).or_default() += each);
        }
    }
    for (file, pull) in pulled {
        // What nothing else speaks for is no answer: nobody could be told why.
        if let Some(found) = all.get_mut(&file) {
            found.features[5] = pull.min(1.0);
        }
    }
}

/// The files that a task will probably change, the likeliest first.
pub(super) fn rank(corpus: &Corpus<'_>, task: &Wanted) -> Vec<LikelyFile> {
    let mut ranked: Vec<(f64, File, Found)> = features(corpus, task)
        .into_iter()
        .map(|(file, found)| (probability(&found.features), file, found))
        .filter(|(score, ..)| *score >= LEAST)
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| corpus.files[a.1].cmp(&corpus.files[b.1])));
    ranked.truncate(MOST_FILES);
    let told = |(score, file, found): (f64, File, Found)| LikelyFile {
        path: corpus.files[file].clone(),
        score,
        words: reasons(corpus, found.because),
    };
    ranked.into_iter().map(told).collect()
}

/// The terms that add most, as the tasks write them.
fn reasons(corpus: &Corpus<'_>, because: Vec<(f64, Term)>) -> Vec<String> {
    let mut by_term: BTreeMap<Term, f64> = BTreeMap::new();
    because.into_iter().for_each(|(adds, term)| *by_term.entry(term).or_default() += adds);
    let mut terms: Vec<(f64, Term)> = by_term.into_iter().map(|(term, adds)| (adds, term)).collect();
    terms.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    terms.into_iter().take(WORDS).map(|(_, term)| corpus.written[term].clone()).collect()
}

fn probability(features: &Features) -> f64 {
    let odds: f64 = features.iter().zip(WEIGHTS).map(|(feature, weight)| feature * weight).sum();
    1.0 / (1.0 + (-odds).exp())
}

/// The cosine of two tasks' words, each counted by how rare it is in messages of changes.
pub(super) fn alike(corpus: &Corpus<'_>, a: &Wanted, b: &Wanted) -> f64 {
    let weigh = |(term, counts): &(Term, f64)| corpus.rare_in_messages(*term) * counts;
    let norm = |task: &Wanted| task.terms.iter().map(|t| weigh(t).powi(2)).sum::<f64>().sqrt();
    let both = a.terms.iter().filter_map(|t| Some(weigh(t) * weigh(b.terms.iter().find(|u| u.0 == t.0)?)));
    both.sum::<f64>() / (norm(a) * norm(b)).max(1e-9)
}
