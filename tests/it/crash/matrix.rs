use crate::support::rig::{Hub, Script, tasks};

#[test]
fn measure() {
    let mut hub = Hub::start();
    for i in 0..10 {
        let start = std::time::Instant::now();
        let played = hub.play(Script::new(tasks(5)));
        let real = start.elapsed();
        println!(
            "{i}: ended {} crossed {} virtual {:?} real {real:?}",
            played.ended,
            played.crossed.len(),
            played.took
        );
    }
}
