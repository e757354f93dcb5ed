//! The protocol of lease, heartbeat, fence and takeover as a model: one task, up to three runners, every order of what may happen.
//!
//! Time is in ticks. Freezing takes a tick at most, and between healthy machines a message arrives before the next one. The world may stop
//! runners, kill them, lose and delay messages, stop the store and the control plane, and set its wall clock; how often is bounded by a budget, delays
//! are not. Epochs are modelled by what they are compared for: whether a thing belongs to the lease that is current.

use stateright::{Model, Property};

/// How long a lease lasts, in ticks.
pub const LEASE: i8 = 3;
/// How long a program stands behind its fence before it is killed, in ticks.
const PATIENCE: i8 = 2;
/// The most runners.
const RUNNERS: usize = 3;
/// Messages of one runner that are under way at once.
const MAIL: usize = 2;

/// The rules that are checked, and what becomes of them when one is taken out.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Ticks between the fence and the lease's end.
    pub margin: i8,
    /// The shim keeps the fence by itself.
    pub shim_keeps_fence: bool,
    /// What the shim is told is a time on the machine's clock (else: so many more ticks from when it is heard).
    pub absolute_words: bool,
    /// The reaper waits until the store was reachable for a whole lease.
    pub continuity: bool,
    /// A heartbeat on a lease that has run out is refused.
    pub refuses_late: bool,
    /// A result is accepted by the same condition as a heartbeat.
    pub fenced_finish: bool,
    /// How often the world may interfere.
    pub budget: u8,
    /// How many runners there are.
    pub runners: usize,
}

impl Rules {
    /// As it is built.
    pub const BUILT: Self = Self {
        margin: 1,
        shim_keeps_fence: true,
        absolute_words: true,
        continuity: true,
        refuses_late: false,
        fenced_finish: true,
        budget: 1,
        runners: 3,
    };

    fn fence(&self, age: i8) -> i8 {
        LEASE - self.margin - age
    }
}

/// The task as the control plane has it.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    Ready,
    Running,
    Done,
}

/// A message; `age` is the time since the runner sent the question, `current` whether it is about the lease that is current.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mail {
    Claim { age: i8 },
    Claimed { age: i8, current: bool },
    Beat { age: i8, current: bool },
    Renewed { age: i8, current: bool },
    Lost { age: i8, current: bool },
    Finish { age: i8, current: bool },
}

impl Mail {
    fn age(&mut self) -> &mut i8 {
        match self {
            Self::Claim { age }
            | Self::Claimed { age, .. }
            | Self::Beat { age, .. }
            | Self::Renewed { age, .. }
            | Self::Lost { age, .. }
            | Self::Finish { age, .. } => age,
        }
    }

    fn current(&mut self) -> Option<&mut bool> {
        match self {
            Self::Claim { .. } => None,
            Self::Claimed { current, .. }
            | Self::Beat { current, .. }
            | Self::Renewed { current, .. }
            | Self::Lost { current, .. }
            | Self::Finish { current, .. } => Some(current),
        }
    }

    fn to_runner(self) -> bool {
        matches!(self, Self::Claimed { .. } | Self::Renewed { .. } | Self::Lost { .. })
    }
}

/// What a runner knows of the attempt that it carries out.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    current: bool,
    /// Ticks up to the fence, by the runner's clock.
    fence: i8,
    /// The agent has ended: only the result is to be told.
    told: bool,
}

/// The agent with its shim.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shim {
    current: bool,
    fence: i8,
    frozen: bool,
}

#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct Runner {
    /// SIGSTOP: takes and sends nothing. Its shim is another process.
    stopped: bool,
    /// The lease is on this process.
    owner: bool,
    held: Option<Held>,
    shim: Option<Shim>,
    /// A word to the shim that is not written yet: where the fence is to stand.
    word: Option<i8>,
    mail: [Option<Mail>; MAIL],
}

/// The whole world. Runners are alike, so they are kept sorted.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    task: Task,
    /// Ticks that the lease still lasts.
    left: i8,
    plane: bool,
    store: bool,
    /// Ticks for which the store has been reachable, at most a lease.
    continuous: i8,
    runners: [Runner; RUNNERS],
    budget: u8,
    /// The current lease's runner was stopped or killed, or one of its messages was lost or late, or its patience is over.
    disturbed: bool,
    /// A result of an earlier lease was accepted.
    stale_accepted: bool,
    /// An attempt was taken from a runner that nothing had disturbed.
    work_lost: bool,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum Action {
    Tick,
    Claim(usize),
    Deliver(usize, usize),
    Word(usize),
    Freeze(usize),
    Finish(usize),
    Reap,
    Drop(usize, usize),
    Stop(usize),
    Resume(usize),
    Kill(usize),
    StoreDown,
    StoreUp,
    PlaneDown,
    PlaneUp,
    ClockForward,
    ClockBack,
}

impl Runner {
    fn post(&mut self, mail: Mail) -> bool {
        let free = self.mail.iter_mut().find(|slot| slot.is_none());
        free.is_some_and(|slot| {
            *slot = Some(mail);
            true
        })
    }

    fn has_room(&self) -> bool {
        self.mail.iter().any(Option::is_none)
    }

    fn end(&mut self) {
        (self.held, self.shim, self.word) = (None, None, None);
    }

    fn waits_for(&self, wanted: impl Fn(Mail) -> bool) -> bool {
        self.mail.iter().flatten().any(|mail| wanted(*mail))
    }
}

impl State {
    pub fn new(budget: u8) -> Self {
        Self {
            task: Task::Ready,
            left: 0,
            plane: true,
            store: true,
            continuous: LEASE,
            runners: [Runner::default(); RUNNERS],
            budget,
            disturbed: false,
            stale_accepted: false,
            work_lost: false,
        }
    }

    pub fn is_done(&self) -> bool {
        self.task == Task::Done
    }

    /// How many agents run now.
    pub fn unfrozen(&self) -> usize {
        self.runners.iter().filter_map(|runner| runner.shim).filter(|shim| !shim.frozen).count()
    }

    /// None of the rules is broken.
    pub fn is_sound(&self) -> bool {
        self.unfrozen() <= 1 && !self.stale_accepted && !self.work_lost
    }

    /// How often the world may still interfere.
    pub fn budget(&self) -> u8 {
        self.budget
    }

    fn answers(&self) -> bool {
        self.plane && self.store
    }

    /// Messages that change nothing wherever they arrive are no longer there.
    fn forget(&mut self) {
        for runner in &mut self.runners {
            let held = runner.held;
            for slot in &mut runner.mail {
                let useless = match *slot {
                    Some(Mail::Renewed { age, current }) => {
                        age >= LEASE - 1 || held.is_none_or(|held| held.current != current || held.told)
                    }
                    Some(Mail::Beat { current: false, .. } | Mail::Lost { current: false, .. }) => {
                        held.is_none_or(|held| held.current)
                    }
                    Some(Mail::Lost { current: true, .. }) => held.is_none_or(|held| !held.current),
                    Some(Mail::Claimed { .. }) => held.is_some(),
                    _ => false,
                };
                if useless {
                    *slot = None;
                }
            }
            runner.mail.sort_unstable();
            if runner.shim.is_none() {
                runner.word = None;
            }
        }
    }

    /// Everything that there is belongs to an earlier lease from now on.
    fn lease_over(&mut self) {
        for runner in &mut self.runners {
            runner.owner = false;
            runner.held.iter_mut().for_each(|held| held.current = false);
            runner.shim.iter_mut().for_each(|shim| shim.current = false);
            runner.mail.iter_mut().flatten().filter_map(Mail::current).for_each(|current| *current = false);
        }
    }
}

impl Rules {
    /// What can happen.
    pub fn possible(&self, s: &State, actions: &mut Vec<Action>) {
        use Action as A;
        if s.is_done() {
            return;
        }
        actions.push(A::Tick);
        let spend = s.budget > 0;
        // Those that are not there are as idle as one can be, and sorted first.
        for (i, runner) in s.runners.iter().enumerate().skip(RUNNERS - self.runners) {
            // Of several runners that are wholly alike one is enough.
            if i > RUNNERS - self.runners && s.runners[i - 1] == *runner {
                continue;
            }
            let up = !runner.stopped;
            if up
                && runner.held.is_none()
                && runner.has_room()
                && !runner.waits_for(|m| matches!(m, Mail::Claim { .. } | Mail::Claimed { .. }))
            {
                actions.push(A::Claim(i));
            }
            for (n, mail) in runner.mail.iter().enumerate() {
                let Some(mail) = mail else { continue };
                if up || !mail.to_runner() {
                    actions.push(A::Deliver(i, n));
                }
                if spend {
                    actions.push(A::Drop(i, n));
                }
            }
            if up && runner.word.is_some() {
                actions.push(A::Word(i));
            }
            if let Some(shim) = runner.shim {
                let notices = self.shim_keeps_fence || up;
                if shim.fence <= 0 && !shim.frozen && notices {
                    actions.push(A::Freeze(i));
                }
                if up && !shim.frozen && runner.has_room() {
                    actions.push(A::Finish(i));
                }
            }
            match runner.stopped {
                true => actions.push(A::Resume(i)),
                false if spend && runner.held.is_some() => actions.extend([A::Stop(i), A::Kill(i)]),
                false => {}
            }
        }
        if s.task == Task::Running
            && s.answers()
            && s.left <= 0
            && (s.continuous >= LEASE || !self.continuity)
        {
            actions.push(A::Reap);
        }
        match (s.store, s.plane) {
            (false, _) => actions.push(A::StoreUp),
            (_, false) => actions.push(A::PlaneUp),
            _ if spend && s.task == Task::Running => {
                actions.extend([A::StoreDown, A::PlaneDown, A::ClockForward, A::ClockBack]);
            }
            _ => {}
        }
    }

    /// What becomes of it.
    pub fn after(&self, before: &State, action: Action) -> State {
        use Action as A;
        let mut s = *before;
        match action {
            A::Tick => self.tick(&mut s),
            A::Claim(i) => {
                s.runners[i].post(Mail::Claim { age: 0 });
            }
            A::Deliver(i, n) => {
                if let Some(mail) = s.runners[i].mail[n].take() {
                    if mail.to_runner() {
                        self.at_runner(&mut s, i, mail)
                    } else {
                        self.at_plane(&mut s, i, mail)
                    }
                }
            }
            A::Word(i) => {
                let runner = &mut s.runners[i];
                if let (Some(word), Some(shim)) = (runner.word.take(), &mut runner.shim) {
                    shim.fence = shim.fence.max(word);
                    shim.frozen &= shim.fence <= 0;
                }
            }
            A::Freeze(i) => s.runners[i].shim.iter_mut().for_each(|shim| shim.frozen = true),
            A::Finish(i) => {
                let runner = &mut s.runners[i];
                if let (Some(_), Some(held)) = (runner.shim.take(), &mut runner.held) {
                    held.told = true;
                    let current = held.current;
                    runner.post(Mail::Finish { age: 0, current });
                }
            }
            A::Reap => {
                s.work_lost |= !s.disturbed;
                s.task = Task::Ready;
                s.lease_over();
            }
            _ => Self::interfere(&mut s, action),
        }
        s.forget();
        // Runners are alike: one order stands for all.
        s.runners.sort_unstable();
        s
    }

    /// What the world does to it.
    fn interfere(s: &mut State, action: Action) {
        use Action as A;
        if !matches!(action, A::Resume(_) | A::StoreUp | A::PlaneUp) {
            s.budget -= 1;
        }
        match action {
            A::Drop(i, n) => {
                s.runners[i].mail[n] = None;
                s.disturbed |= s.runners[i].owner;
            }
            A::Stop(i) => {
                s.runners[i].stopped = true;
                s.disturbed |= s.runners[i].owner;
            }
            A::Resume(i) => s.runners[i].stopped = false,
            // Its shim and agent die with it; a new process has a new name.
            A::Kill(i) => {
                s.disturbed |= s.runners[i].owner;
                s.runners[i] = Runner::default();
            }
            A::StoreDown => (s.store, s.continuous) = (false, 0),
            A::StoreUp => (s.store, s.continuous) = (true, 0),
            A::PlaneDown => (s.plane, s.continuous) = (false, 0),
            A::PlaneUp => (s.plane, s.continuous) = (true, 0),
            A::ClockForward => (s.left, s.continuous) = (0, 0),
            // The tick that sees it cuts the lease to one from now.
            A::ClockBack => (s.left, s.continuous) = (LEASE, 0),
            _ => {}
        }
    }

    fn tick(&self, s: &mut State) {
        s.left = (s.left - 1).max(0);
        if s.answers() {
            s.continuous = (s.continuous + 1).min(LEASE);
        }
        for runner in &mut s.runners {
            let up = !runner.stopped;
            for mail in runner.mail.iter_mut().flatten() {
                let age = mail.age();
                *age = (*age + 1).min(LEASE);
                s.disturbed |= runner.owner;
            }
            if self.absolute_words {
                runner.word = runner.word.map(|word| (word - 1).max(-1));
            }
            if let Some(shim) = &mut runner.shim {
                shim.fence = (shim.fence - 1).max(-PATIENCE);
                // Freezing takes a tick at most, to whoever keeps watch.
                if shim.fence < 0 && (self.shim_keeps_fence || up) {
                    shim.frozen = true;
                }
                if shim.fence <= -PATIENCE && shim.frozen {
                    runner.shim = None;
                    s.disturbed |= runner.owner;
                }
            }
            if let Some(held) = &mut runner.held {
                held.fence = (held.fence - 1).max(-PATIENCE);
                let current = held.current;
                let told = held.told;
                if up && !told && (held.fence <= -PATIENCE || runner.shim.is_none()) {
                    // Silence for too long, or the shim thought so.
                    runner.end();
                    s.disturbed |= runner.owner;
                } else if up
                    && told
                    && !runner.waits_for(|m| matches!(m, Mail::Finish { .. } | Mail::Lost { .. }))
                {
                    runner.post(Mail::Finish { age: 0, current });
                } else if up
                    && !told
                    && !runner.waits_for(|m| {
                        matches!(
                            m,
                            Mail::Beat { age: 0..=1, .. }
                                | Mail::Renewed { age: 0..=1, .. }
                                | Mail::Lost { .. }
                        )
                    })
                {
                    runner.post(Mail::Beat { age: 0, current });
                }
            }
        }
    }

    /// A message arrives at the control plane. One that does not answer now is as good as lost, but nobody's fault.
    fn at_plane(&self, s: &mut State, i: usize, mail: Mail) {
        if !s.answers() {
            return;
        }
        let holds = |s: &State, current: bool| s.task == Task::Running && s.runners[i].owner && current;
        match mail {
            Mail::Claim { age } if s.task == Task::Ready => {
                s.lease_over();
                (s.task, s.left, s.disturbed) = (Task::Running, LEASE, age > 0);
                s.runners[i].owner = true;
                s.runners[i].post(Mail::Claimed { age, current: true });
            }
            // What was handed out and not heard of is handed out again.
            Mail::Claim { age } if s.task == Task::Running && s.runners[i].owner => {
                s.left = LEASE;
                s.runners[i].post(Mail::Claimed { age, current: true });
            }
            Mail::Beat { age, current } => {
                let renewed = holds(s, current) && !(self.refuses_late && s.left <= 0);
                if renewed {
                    s.left = LEASE;
                }
                let answer =
                    if renewed { Mail::Renewed { age, current } } else { Mail::Lost { age, current } };
                s.runners[i].post(answer);
            }
            Mail::Finish { age, current } => {
                if holds(s, current) || (!self.fenced_finish && s.task == Task::Running) {
                    s.stale_accepted |= !current;
                    s.task = Task::Done;
                } else {
                    s.runners[i].post(Mail::Lost { age, current });
                }
            }
            _ => {}
        }
    }

    /// An answer arrives at its runner.
    fn at_runner(&self, s: &mut State, i: usize, mail: Mail) {
        let disturbed = s.disturbed;
        let runner = &mut s.runners[i];
        match mail {
            Mail::Claimed { age, current } if runner.held.is_none() => {
                let fence = self.fence(age);
                runner.held = Some(Held { current, fence, told: false });
                // Behind its fence nothing starts.
                runner.shim = Some(Shim { current, fence, frozen: fence <= 0 });
            }
            Mail::Renewed { age, current } => {
                if let Some(held) = runner.held.as_mut().filter(|held| held.current == current) {
                    let fence = self.fence(age);
                    if fence > held.fence {
                        held.fence = fence;
                        runner.word = Some(fence);
                    }
                }
            }
            Mail::Lost { current, .. } if runner.held.is_some_and(|held| held.current == current) => {
                s.work_lost |= current && !disturbed;
                runner.end();
            }
            _ => {}
        }
    }

    /// Whether the task can still end from here: a path on which nothing interferes any more.
    pub fn can_end(&self, from: &State) -> bool {
        let mut s = *from;
        for _ in 0..60 {
            if s.is_done() {
                return true;
            }
            let mut actions = Vec::new();
            self.possible(&s, &mut actions);
            let next = actions.into_iter().rev().find(|action| match action {
                Action::StoreUp | Action::PlaneUp | Action::Resume(_) | Action::Reap => true,
                Action::Finish(i) => s.runners[*i].shim.is_some_and(|shim| shim.current),
                Action::Word(_) | Action::Deliver(..) => true,
                Action::Claim(i) => s.task == Task::Ready || s.runners[*i].owner,
                _ => false,
            });
            s = self.after(&s, next.unwrap_or(Action::Tick));
        }
        false
    }
}

impl Model for Rules {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.budget)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.possible(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(self.after(state, action)).filter(|next| next != state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("never two unfrozen attempts", |_, s: &State| s.unfrozen() <= 1),
            Property::always("no result of an earlier lease is accepted", |_, s: &State| !s.stale_accepted),
            Property::always("an outage costs no work", |_, s: &State| !s.work_lost),
            Property::always("the task can always end", |rules: &Self, s: &State| rules.can_end(s)),
            // The model does something: these must be found.
            Property::sometimes("the task ends", |_, s: &State| s.is_done()),
            Property::sometimes("a takeover beside a frozen agent", |_, s: &State| {
                let stale = s.runners.iter().filter_map(|r| r.shim).any(|shim| !shim.current && shim.frozen);
                stale && s.unfrozen() == 1
            }),
        ]
    }
}
