//! The levels of the limiters.

use super::*;

#[test]
fn the_last_level_of_each_installation_is_there_after_a_restart() {
    on_every_engine(|bench| async move {
        assert!(bench.store.limits_kept().await.unwrap().is_empty());
        let levels = |one: &str| vec![(7, one.to_owned()), (u64::from(u32::MAX) + 1, "b".to_owned())];
        bench.store.limits_saved(&levels("a"), at(0)).await.unwrap();
        bench.store.limits_saved(&levels("c")[..1], at(1)).await.unwrap();
        let mut kept = bench.reopened().await.store.limits_kept().await.unwrap();
        kept.sort();
        assert_eq!(kept, levels("c"));
    });
}
