//! How long a plan will take and what it will cost, from what earlier attempts did. Pure: the store brings the history.

use super::Size;

/// An attempt that led to a result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The size that its task was guessed to have.
    pub size: Size,
    /// Wall seconds from claim to result.
    pub seconds: f64,
    /// US dollars; 0 where the agent tells no prices.
    pub cost_usd: f64,
}

/// Whose attempts an estimate stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The agent's in this repository.
    Repository,
    /// The agent's in all repositories of the server, because it has none here.
    Server,
}

/// Attempts of one agent, the newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// Whose.
    pub basis: Basis,
    /// What they took. May be empty.
    pub samples: Vec<Sample>,
}

/// A task that is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// How big it looks.
    pub size: Size,
    /// What has to end before it begins, by index.
    pub after: Vec<usize>,
}

/// From what is usual (the median) to what one in ten exceeds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Range {
    /// The median.
    pub usual: f64,
    /// The ninetieth percentile, by nearest rank: of fewer than ten values the largest.
    pub high: f64,
}

/// What a task of one size takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OfSize {
    /// The size.
    pub size: Size,
    /// On how many attempts this stands; 0: none had this size, so those of all sizes count.
    pub attempts: usize,
    /// Seconds.
    pub seconds: Range,
    /// US dollars; `None` where none of the attempts told a price.
    pub cost_usd: Option<Range>,
}

/// What a plan will take.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Whose attempts it stands on.
    pub basis: Basis,
    /// How many.
    pub attempts: usize,
    /// So many agents work at once.
    pub at_once: usize,
    /// Seconds from start to end.
    pub seconds: Range,
    /// US dollars in sum; `None` where a part is unknown.
    pub cost_usd: Option<Range>,
    /// The sizes that occur in the plan, the smallest first.
    pub sizes: Vec<OfSize>,
}

/// The estimate; `None` without history or without work.
pub fn estimate(work: &[Work], at_once: u32, history: &History) -> Option<Estimate> {
    if work.is_empty() || history.samples.is_empty() {
        return None;
    }
    let at_once = (at_once.max(1) as usize).min(work.len());
    let occurs = |size: &Size| work.iter().any(|w| w.size == *size);
    let sizes: Vec<OfSize> =
        [Size::S, Size::M, Size::L].into_iter().filter(occurs).map(|size| of_size(size, history)).collect();
    let of = |task: &Work| sizes.iter().find(|s| s.size == task.size);
    let each = |value: fn(&OfSize) -> f64| -> Vec<f64> { work.iter().filter_map(of).map(value).collect() };
    let seconds = Range {
        usual: makespan(work, &each(|s| s.seconds.usual), at_once),
        high: makespan(work, &each(|s| s.seconds.high), at_once),
    };
    let priced = sizes.iter().all(|s| s.cost_usd.is_some());
    let cost_usd = priced.then(|| Range {
        usual: each(|s| s.cost_usd.unwrap_or_default().usual).iter().sum(),
        high: each(|s| s.cost_usd.unwrap_or_default().high).iter().sum(),
    });
    let attempts = history.samples.len();
    Some(Estimate { basis: history.basis, attempts, at_once, seconds, cost_usd, sizes })
}

fn of_size(size: Size, history: &History) -> OfSize {
    let own: Vec<&Sample> = history.samples.iter().filter(|s| s.size == size).collect();
    let attempts = own.len();
    let counted = if own.is_empty() { history.samples.iter().collect() } else { own };
    let prices: Vec<f64> = counted.iter().map(|s| s.cost_usd).filter(|usd| *usd > 0.0).collect();
    OfSize {
        size,
        attempts,
        seconds: range(counted.iter().map(|s| s.seconds).collect()),
        cost_usd: (!prices.is_empty()).then(|| range(prices)),
    }
}

/// Of at least one value.
fn range(mut values: Vec<f64>) -> Range {
    values.sort_by(f64::total_cmp);
    let rank = |percent: usize| {
        let at = (values.len() * percent).div_ceil(100).clamp(1, values.len());
        values.get(at - 1).copied().unwrap_or_default()
    };
    Range { usual: rank(50), high: rank(90) }
}

/// When everything has ended if each free agent takes the longest task that may begin, the first of equal ones. What
/// waits for itself is left out.
fn makespan(work: &[Work], seconds: &[f64], at_once: usize) -> f64 {
    let mut ends: Vec<Option<f64>> = vec![None; work.len()];
    let mut running: Vec<(f64, usize)> = Vec::new();
    let mut begun = vec![false; work.len()];
    let mut now = 0.0_f64;
    loop {
        while running.len() < at_once {
            let ready = |&i: &usize| {
                !begun[i] && work[i].after.iter().all(|&on| ends.get(on).is_none_or(Option::is_some))
            };
            let next = (0..work.len())
                .filter(ready)
                .min_by(|&a, &b| seconds[b].total_cmp(&seconds[a]).then(a.cmp(&b)));
            let Some(next) = next else { break };
            begun[next] = true;
            running.push((now + seconds[next], next));
        }
        let first = running.iter().enumerate().min_by(|a, b| a.1.0.total_cmp(&b.1.0)).map(|(at, _)| at);
        let Some(first) = first else { return now };
        let (end, task) = running.swap_remove(first);
        now = end;
        ends[task] = Some(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(size: Size, seconds: f64, cost_usd: f64) -> Sample {
        Sample { size, seconds, cost_usd }
    }

    fn history(samples: Vec<Sample>) -> History {
        History { basis: Basis::Repository, samples }
    }

    fn work(sizes: &[Size]) -> Vec<Work> {
        sizes.iter().map(|size| Work { size: *size, after: vec![] }).collect()
    }

    #[test]
    fn without_history_there_is_no_number() {
        assert_eq!(estimate(&work(&[Size::M]), 3, &history(vec![])), None);
        assert_eq!(estimate(&[], 3, &history(vec![sample(Size::M, 1.0, 1.0)])), None);
    }

    #[test]
    fn a_known_history_gives_known_figures() {
        // S: 10 attempts of 10 s to 100 s and 1 to 10 cents; L: 1 of 600 s without a price.
        let mut samples: Vec<Sample> =
            (1..=10).map(|n| sample(Size::S, f64::from(n * 10), f64::from(n) / 100.0)).collect();
        samples.push(sample(Size::L, 600.0, 2.0));
        let all = history(samples);
        let found = estimate(&work(&[Size::S, Size::S, Size::S, Size::L]), 2, &all).expect("an estimate");
        assert_eq!((found.attempts, found.at_once), (11, 2));
        let small = found.sizes[0];
        assert_eq!((small.attempts, small.seconds), (10, Range { usual: 50.0, high: 90.0 }));
        assert_eq!(small.cost_usd, Some(Range { usual: 0.05, high: 0.09 }));
        assert_eq!(found.sizes[1].seconds, Range { usual: 600.0, high: 600.0 });
        // The long one beside three short ones.
        assert_eq!(found.seconds, Range { usual: 600.0, high: 600.0 });
        let cost = found.cost_usd.expect("a price");
        assert!((cost.usual - 2.15).abs() < 1e-9 && (cost.high - 2.27).abs() < 1e-9, "{cost:?}");
        let one = estimate(&work(&[Size::S, Size::S, Size::S, Size::L]), 1, &all).expect("an estimate");
        assert_eq!(one.seconds, Range { usual: 750.0, high: 870.0 });
    }

    #[test]
    fn a_size_that_never_was_is_told() {
        let all = history(vec![sample(Size::S, 10.0, 0.0), sample(Size::L, 90.0, 0.0)]);
        let found = estimate(&work(&[Size::M]), 4, &all).expect("an estimate");
        assert_eq!((found.sizes[0].attempts, found.sizes[0].seconds), (0, Range { usual: 10.0, high: 90.0 }));
        assert_eq!((found.at_once, found.cost_usd), (1, None), "nobody told a price");
    }

    #[test]
    fn the_makespan_follows_the_order() {
        let chain = [vec![], vec![0], vec![1], vec![]];
        let chain: Vec<Work> = chain.into_iter().map(|after| Work { size: Size::M, after }).collect();
        let all = history(vec![sample(Size::M, 60.0, 1.0)]);
        assert_eq!(estimate(&chain, 9, &all).map(|e| e.seconds.usual), Some(180.0));
        assert_eq!(estimate(&chain, 1, &all).map(|e| e.seconds.usual), Some(240.0));
        let looped: Vec<Work> =
            [vec![1], vec![0]].into_iter().map(|after| Work { size: Size::M, after }).collect();
        assert_eq!(estimate(&looped, 2, &all).map(|e| e.seconds.usual), Some(0.0), "it ends");
    }
}
