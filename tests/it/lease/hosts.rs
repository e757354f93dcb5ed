//! Real processes: a runner that is stopped, a runner that is cut off, a control plane that is away, and clocks that jump.

use super::fleet::{self, LEASE, Runner, agent, let_go, lives, never_two_at_once, until};
use super::proxy::{Mode, Proxy};
use crate::support::world::{World, tasks};
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
    tokio::time::sleep(LEASE * 2).await;
    assert_eq!(lives(&world).len(), TASKS, "work was done again");
    finish(world, master, "a partition shorter than the lease", began).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_longer_partition_the_agents_stand_still_and_another_takes_over() {
    for mode in [Mode::BlackHole, Mode::Refuse] {
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
    tokio::time::sleep(LEASE).await;
    world.start();
    until("the agents go on", || !beats_still(&world)).await;
    tokio::time::sleep(LEASE * 2).await;
    let task = fleet::task(&world, 1).await;
    assert_eq!((task.attempt, task.losses, lives(&world).len()), (1, 0, TASKS), "work was done again");
    finish(world, master, "a control plane away for two leases", began).await;
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
    for minutes in [10, -10, 0] {
        clock.set(Duration::from_secs(60) * 10, minutes);
        tokio::time::sleep(LEASE * 2).await;
        assert_eq!(lives(&world).len(), TASKS, "a lease was given away when the clock went to {minutes} min");
        if minutes == 10 {
            let after = fleet::task(&world, 1).await.lease_until.expect("a lease");
            assert!(after.as_second() - before.as_second() > 500, "the clock of `serve` did not jump");
        }
    }
    // A runner that dies when the clock was just set back is not waited for for ten minutes.
    clock.set(Duration::from_secs(60) * 10, -10);
    drop(first);
    until("another has taken over", || lives(&world).len() == 2 * TASKS).await;
    finish(world, master, "clock jumps of ten minutes", began).await;
}
