//! Real processes: a runner that is stopped, a runner that is cut off, a control plane that is away, and clocks that jump.

use super::fleet::{self, LEASE, Runner, agent, let_go, lives, never_two_at_once, until};
use super::proxy::{Mode, Proxy};
use crate::support::figures;
use crate::support::world::{World, tasks};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;
use std::path::Path;
use std::time::{Duration, Instant};

/// `min_tasks` is 2, and each runner has two slots: with two tasks one runner may take both.
const TASKS: usize = 2;

/// Two runners; the first has work before the second is there.
async fn first_at_work(world: &World, script: &Path, socket: &Path) -> (Runner, u64) {
    let first = Runner::start(world, "a", socket, script);
    let master = world.trigger("Epic: the list", &tasks(TASKS));
    until("the first runner works on everything", || lives(world).len() == TASKS).await;
    (first, master)
}

fn beats_still(world: &World) -> bool {
    let before: Vec<u128> = lives(world).iter().map(|life| life.last).collect();
    std::thread::sleep(Duration::from_millis(400));
    before == lives(world).iter().map(|life| life.last).collect::<Vec<_>>()
}

async fn finish(world: World, master: u64, what: &str, began: Instant) {
    let_go(&world);
    world.until_ended(1).await;
    let summary = world.summary(master);
    assert!(summary.contains(&format!("**Successful**: {TASKS}\n**Failed**: 0")), "{summary}");
    let lives = never_two_at_once(&world);
    world.end();
    fleet::tell(what, began, lives);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agents_of_a_runner_that_is_stopped_stand_still_before_another_takes_over() {
    let began = Instant::now();
    let world = fleet::world(vec![]).await;
    let (script, socket) = (agent(&world), fleet::socket(&world));
    let (first, master) = first_at_work(&world, &script, &socket).await;
    let _second = Runner::start(&world, "b", &socket, &script);
    let _third = Runner::start(&world, "c", &socket, &script);

    first.signal(Signal::STOP);
    until("the other runners have taken over", || lives(&world).len() == 2 * TASKS).await;
    let states = first.states("beats.sh");
    assert!(states.len() >= TASKS && states.iter().all(|state| *state == 'T'), "{states:?}");
    let taken = lives(&world);
    assert!(taken[TASKS..].iter().all(|life| life.runner != "a"), "{taken:?}");

    // It wakes, is told that it lost, ends what it has, and says nothing that counts.
    first.signal(Signal::CONT);
    until("the first runner's agents are gone", || first.states("beats.sh").is_empty()).await;
    assert_eq!(fleet::task(&world, 1).await.attempt, 2);
    finish(world, master, "a runner stopped for longer than its lease", began).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_is_stopped_for_a_moment_loses_nothing() {
    let began = Instant::now();
    let world = fleet::world(vec![]).await;
    let (script, socket) = (agent(&world), fleet::socket(&world));
    let (first, master) = first_at_work(&world, &script, &socket).await;
    let _second = Runner::start(&world, "b", &socket, &script);
    for _ in 0..3 {
        first.signal(Signal::STOP);
        tokio::time::sleep(LEASE / 4).await;
        first.signal(Signal::CONT);
        tokio::time::sleep(LEASE / 4).await;
    }
    assert_eq!(lives(&world).len(), TASKS, "work was done again");
    finish(world, master, "a runner stopped for moments", began).await;
}

/// Cuts the first runner off for `time`, and says how many lives there were when it was over.
async fn partition(mode: Mode, time: Duration) -> (World, u64, Runner, Runner, Proxy, usize) {
    let world = fleet::world(vec![]).await;
    let (script, socket) = (agent(&world), fleet::socket(&world));
    let proxy = Proxy::start(&world.data().with_file_name("proxy.sock"), &socket);
    let (first, master) = first_at_work(&world, &script, &proxy.path).await;
    let second = Runner::start(&world, "b", &socket, &script);
    proxy.set(mode);
    tokio::time::sleep(time).await;
    let lives = lives(&world).len();
    (world, master, first, second, proxy, lives)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_shorter_than_the_lease_costs_nothing() {
    let began = Instant::now();
    let (world, master, _first, _second, proxy, _) = partition(Mode::BlackHole, LEASE / 2).await;
    proxy.set(Mode::Open);
    tokio::time::sleep(LEASE * 3 / 2).await;
    assert_eq!(lives(&world).len(), TASKS, "work was done again");
    finish(world, master, "a partition shorter than the lease", began).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_longer_partition_the_agents_stand_still_and_another_takes_over() {
    let modes: &[Mode] = if figures::full() { &[Mode::BlackHole, Mode::Refuse] } else { &[Mode::BlackHole] };
    for mode in modes.iter().copied() {
        let began = Instant::now();
        let (world, master, first, _second, proxy, _) = partition(mode, LEASE).await;
        until("another has taken over", || lives(&world).len() == 2 * TASKS).await;
        let states = first.states("beats.sh");
        assert!(states.iter().all(|state| *state == 'T'), "{states:?}");
        proxy.set(Mode::Open);
        until("the first runner's agents are gone", || first.states("beats.sh").is_empty()).await;
        finish(world, master, &format!("a partition ({mode:?}) longer than the lease"), began).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_plane_that_was_away_for_longer_than_the_lease_redoes_no_work() {
    let began = Instant::now();
    let mut world = fleet::world(vec![]).await;
    let (script, socket) = (agent(&world), fleet::socket(&world));
    let (first, master) = first_at_work(&world, &script, &socket).await;
    let _second = Runner::start(&world, "b", &socket, &script);
    world.divisi.take().expect("it runs").kill();
    tokio::time::sleep(LEASE + Duration::from_secs(1)).await;
    assert!(beats_still(&world), "agents work without a lease");
    assert!(first.states("beats.sh").iter().all(|state| *state == 'T'));
    tokio::time::sleep(if figures::full() { LEASE * 4 } else { Duration::from_secs(1) }).await;
    world.start();
    until("the agents go on", || !beats_still(&world)).await;
    tokio::time::sleep(LEASE * 3 / 2).await;
    let task = fleet::task(&world, 1).await;
    assert_eq!((task.attempt, task.losses, lives(&world).len()), (1, 0, TASKS), "work was done again");
    finish(world, master, "a control plane away for longer than the lease", began).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_by_ten_minutes_gives_no_lease_away() {
    let began = Instant::now();
    let clock = super::jump::Jump::new();
    let world = fleet::world(clock.env()).await;
    let (script, socket) = (agent(&world), fleet::socket(&world));
    let (first, master) = first_at_work(&world, &script, &socket).await;
    let _second = Runner::start(&world, "b", &socket, &script);
    let before = fleet::task(&world, 1).await.lease_until.expect("a lease");
    let jumps: &[i64] = if figures::full() { &[10, -10, 0, -10, 10, 0] } else { &[10, -10] };
    for minutes in jumps.iter().copied() {
        clock.set(minutes);
        // Long enough for a lease to run out and be judged.
        tokio::time::sleep(LEASE * 3 / 2).await;
        assert_eq!(lives(&world).len(), TASKS, "a lease was given away when the clock went to {minutes} min");
        if minutes == 10 {
            let after = fleet::task(&world, 1).await.lease_until.expect("a lease");
            assert!(after.as_second() - before.as_second() > 500, "the clock of `serve` did not jump");
        }
    }
    // A runner that dies when the clock was just set back is not waited for for ten minutes.
    clock.set(if figures::full() { -10 } else { -20 });
    drop(first);
    until("another has taken over", || lives(&world).len() == 2 * TASKS).await;
    finish(world, master, "clock jumps of ten minutes", began).await;
}

/// What may be done to a host for a while.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Stop,
    Cut(Mode),
    /// The control plane itself.
    Kill,
    None,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_any_trouble_no_task_is_ever_worked_on_twice_at_once() {
    let began = Instant::now();
    let (seeds, rounds) = if figures::full() { (20, 10) } else { (1, 4) };
    let (mut agents, mut troubles) = (0, 0);
    for seed in 0..seeds {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut world = fleet::world(vec![]).await;
        let (script, socket) = (agent(&world), fleet::socket(&world));
        let ways: Vec<Proxy> = (0..3)
            .map(|n| Proxy::start(&world.data().with_file_name(format!("way-{n}.sock")), &socket))
            .collect();
        let hosts: Vec<Runner> = ["a", "b", "c"]
            .iter()
            .zip(&ways)
            .map(|(name, way)| Runner::start(&world, name, &way.path, &script))
            .collect();
        world.trigger("Epic: the list", &tasks(4));
        until("all are worked on", || lives(&world).len() >= 4).await;
        for _ in 0..rounds {
            let n = rng.random_range(0..hosts.len());
            let (host, way) = (&hosts[n], &ways[n]);
            let all = [
                Trouble::Stop,
                Trouble::Cut(Mode::BlackHole),
                Trouble::Cut(Mode::Refuse),
                Trouble::Kill,
                Trouble::None,
            ];
            let trouble = *all.choose(&mut rng).expect("one");
            println!("{trouble:?} at host {n}");
            troubles += 1;
            match trouble {
                Trouble::Stop => host.signal(Signal::STOP),
                Trouble::Cut(mode) => way.set(mode),
                Trouble::Kill => world.divisi.take().expect("it runs").kill(),
                Trouble::None => {}
            }
            // From a moment to more than two leases.
            tokio::time::sleep(Duration::from_millis(rng.random_range(200..12_000))).await;
            match trouble {
                Trouble::Stop => host.signal(Signal::CONT),
                Trouble::Cut(_) => way.set(Mode::Open),
                Trouble::Kill => world.start(),
                Trouble::None => {}
            }
            tokio::time::sleep(Duration::from_millis(rng.random_range(100..3_000))).await;
            never_two_at_once(&world);
        }
        let_go(&world);
        world.until_ended(1).await;
        agents += never_two_at_once(&world);
        drop(hosts);
        world.end();
    }
    fleet::tell(&format!("{seeds} random schedules with {troubles} troubles"), began, agents);
}
