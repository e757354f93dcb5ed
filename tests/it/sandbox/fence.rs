//! Freeze, thaw, and the fence that the shim keeps by itself.

use super::*;
use divisi::sandbox::{Fence, Handle, Process};

const PATIENCE: Duration = Duration::from_secs(900);

/// A tree that writes into a file about every 20 ms, from three processes, one of them in a session of its own; TERM is ignored.
const BUSY: &str = "trap '' TERM HUP INT\n\
    beat() { while :; do echo \"$1\" >> beats; sleep 0.02; done; }\n\
    (setsid sh -c 'trap \"\" TERM; while :; do echo far >> beats; sleep 0.02; done' &)\n\
    beat near & beat main; sleep MARK";

fn beats(place: &Place) -> usize {
    fs::read_to_string(place.path("cwd").join("beats")).map_or(0, |text| text.lines().count())
}

async fn until(what: &str, mut wanted: impl FnMut() -> bool) {
    let wait = async {
        while !wanted() {
            clock::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(clock::within(Duration::from_secs(20), wait).await.is_some(), "waited in vain until {what}");
}

async fn until_busy(place: &Place) {
    let before = beats(place);
    until("it works", || beats(place) > before + 6).await;
}

/// Whether nothing was written for a while.
async fn stands_still(place: &Place) -> bool {
    let before = beats(place);
    clock::sleep(Duration::from_millis(300)).await;
    beats(place) == before
}

async fn until_still(place: &Place) {
    let wait = async { while !stands_still(place).await {} };
    assert!(clock::within(Duration::from_secs(20), wait).await.is_some(), "it goes on");
}

fn drain(mut process: Process) -> (Handle, tokio::task::JoinHandle<Ended>) {
    (process.handle(), tokio::spawn(async move { process.wait().await }))
}

#[tokio::test]
async fn a_frozen_tree_stands_still_whole_and_goes_on_where_it_was() {
    for launcher in launchers().await {
        let place = Place::new();
        let (handle, ended) = drain(launcher.start(place.spec(BUSY)).await.expect("a shim"));
        until_busy(&place).await;
        handle.freeze();
        until_still(&place).await;
        handle.thaw();
        until_busy(&place).await;
        handle.freeze();
        until_still(&place).await;
        // It ignores TERM, so its grace runs while it goes on, and then it is killed.
        handle.stop(StopReason::Stopped);
        let ended = clock::within(Duration::from_secs(10), ended).await.expect("it ends").expect("no panic");
        assert_eq!((ended.status, ended.reason), (Status::Signal(9), Some(StopReason::Stopped)));
        place.expect_survivors(0, Duration::from_secs(2)).await;
    }
}

#[tokio::test]
async fn a_frozen_program_that_is_stopped_may_still_end_in_order() {
    for launcher in launchers().await {
        let place = Place::new();
        let script = "trap 'echo bye; exit 7' TERM; echo up; exec 2>&-; while :; do sleep 0.02; done";
        let mut spec = place.spec(script);
        spec.grace = Duration::from_secs(10);
        let mut process = launcher.start(spec).await.expect("a shim");
        assert_eq!(process.next_output().await.map(|o| o.line), Some(b"up".to_vec()));
        process.freeze();
        clock::sleep(Duration::from_millis(200)).await;
        process.stop(StopReason::Stopped);
        assert_eq!(process.next_output().await.map(|o| o.line), Some(b"bye".to_vec()));
        assert_eq!(process.wait().await.status, Status::Exit(7));
    }
}

#[tokio::test]
async fn time_that_a_program_stands_still_is_no_time_of_its_own() {
    let mut all = tokio::task::JoinSet::new();
    for launcher in launchers().await {
        all.spawn(async move {
            let place = Place::new();
            let mut spec = place.spec("echo up; sleep 2.5; echo done");
            (spec.deadline, spec.stall) = (Duration::from_secs(4), Some(Duration::from_secs(4)));
            let mut process = launcher.start(spec).await.expect("a shim");
            assert!(process.next_output().await.is_some());
            process.freeze();
            // Longer than deadline and stall limit, and than what the launcher grants a shim beyond them.
            clock::sleep(Duration::from_secs(9)).await;
            process.thaw();
            process.wait().await
        });
    }
    for ended in all.join_all().await {
        assert!(ended.success(), "{ended:?}");
    }
}

#[tokio::test]
async fn behind_its_fence_a_tree_freezes_and_a_moved_fence_lets_it_go_on() {
    for launcher in launchers().await {
        let place = Place::new();
        let fence = Fence::new(clock::machine() + Duration::from_millis(1500), PATIENCE);
        let (handle, ended) = drain(launcher.under(&fence).start(place.spec(BUSY)).await.expect("a shim"));
        until_busy(&place).await;
        until("the fence passes", || fence.has_passed()).await;
        until_still(&place).await;
        // A thaw alone opens nothing.
        handle.thaw();
        assert!(stands_still(&place).await);
        fence.move_on(clock::machine() + Duration::from_secs(60));
        until_busy(&place).await;
        handle.kill();
        clock::within(Duration::from_secs(10), ended).await.expect("it ends").expect("no panic");
        place.expect_survivors(0, Duration::from_secs(2)).await;
    }
}

#[tokio::test]
async fn behind_its_fence_a_program_gets_no_grace_and_its_patience_ends() {
    for launcher in launchers().await {
        let place = Place::new();
        let fence = Fence::new(clock::machine() + Duration::from_millis(700), PATIENCE);
        let script = "trap 'echo last >> beats; exit 7' TERM; while :; do echo x >> beats; sleep 0.02; done";
        let mut spec = place.spec(script);
        spec.grace = Duration::from_secs(10);
        let (handle, ended) = drain(launcher.under(&fence).start(spec).await.expect("a shim"));
        until_still(&place).await;
        let before = beats(&place);
        handle.stop(StopReason::Stopped);
        let ended = clock::within(Duration::from_secs(5), ended).await.expect("it ends").expect("no panic");
        assert_eq!((ended.status, beats(&place)), (Status::Signal(9), before), "it ran once more");

        // Nobody says anything: the shim's patience ends by itself.
        let fence = Fence::new(clock::machine() + Duration::from_millis(300), Duration::from_secs(1));
        let (_handle, ended) = drain(launcher.under(&fence).start(place.spec(BUSY)).await.expect("a shim"));
        let ended = clock::within(Duration::from_secs(10), ended).await.expect("it ends").expect("no panic");
        assert_eq!((ended.status, ended.reason), (Status::Signal(9), Some(StopReason::Stopped)));
        place.expect_survivors(0, Duration::from_secs(2)).await;
    }
}

#[tokio::test]
async fn nothing_starts_behind_a_fence_until_it_is_moved() {
    for launcher in launchers().await {
        let place = Place::new();
        let fence = Fence::new(clock::machine(), PATIENCE);
        let (handle, ended) = drain(launcher.under(&fence).start(place.spec(BUSY)).await.expect("a shim"));
        clock::sleep(Duration::from_millis(500)).await;
        assert_eq!(beats(&place), 0);
        fence.move_on(clock::machine() + Duration::from_secs(60));
        until_busy(&place).await;
        handle.kill();
        ended.await.expect("no panic");

        let late = Fence::new(clock::machine(), Duration::from_millis(300));
        let mut process = launcher.under(&late).start(place.spec("echo x > started")).await.expect("a shim");
        let ended = process.wait().await;
        assert_eq!((ended.status, ended.reason), (Status::Signal(9), Some(StopReason::Stopped)));
        assert!(!place.path("cwd").join("started").exists());
    }
}

#[tokio::test]
async fn an_outward_command_of_the_host_stands_behind_the_fence_and_others_do_not() {
    let launcher = Launcher::new(BINARY).await.expect("a launcher");
    let place = Place::new();
    let fence = Fence::new(clock::machine() + Duration::from_millis(700), PATIENCE);
    let fenced = launcher.under(&fence);
    let out = place.path("cwd").join("out");
    let script = format!(
        "cat; printf 'a\\0b'; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.2; echo $i >> {}; done; exit 3",
        out.display()
    );
    let push = HostSpec { outward: true, stdin: b"in ".to_vec(), ..host("sh", &["-c", &script]) };
    let pushing = tokio::spawn({
        let fenced = fenced.clone();
        async move { fenced.run_host(push).await }
    });
    until("it has begun", || out.exists()).await;
    until("the fence passes", || fence.has_passed()).await;
    clock::sleep(Duration::from_millis(500)).await;
    let before = fs::read(&out).expect("its file");
    // What only looks goes on.
    assert_eq!(fenced.run_host(host("true", &[])).await.expect("it runs").code, 0);
    clock::sleep(Duration::from_millis(700)).await;
    assert_eq!(fs::read(&out).expect("its file"), before, "it went on behind the fence");
    fence.move_on(clock::machine() + Duration::from_secs(60));
    let output = pushing.await.expect("no panic").expect("it runs");
    assert_eq!((output.code, output.stdout.as_slice()), (3, &b"in a\0b"[..]));

    let missing = HostSpec { outward: true, ..host("no-such-program", &[]) };
    let gone = fenced.run_host(missing).await.expect_err("not there");
    assert!(matches!(&gone, HostError::Start { .. }), "{gone}");
    let flood = HostSpec { outward: true, ..host("head", &["-c", "2000000", "/dev/zero"]) };
    assert!(matches!(fenced.run_host(flood).await, Err(HostError::TooMuchOutput { .. })));
    let script = format!("setsid sleep {0} & sleep {0}; sleep {0}", place.mark);
    let slow =
        HostSpec { outward: true, deadline: Duration::from_millis(500), ..host("sh", &["-c", &script]) };
    assert!(matches!(fenced.run_host(slow).await, Err(HostError::Deadline { .. })));
    place.expect_survivors(0, Duration::from_secs(3)).await;
}
