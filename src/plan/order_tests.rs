use crate::plan::read;

/// The edges of an issue as (task, on), from 1 as people count.
fn edges(body: &str) -> Vec<(usize, usize)> {
    let plan = read("Epic: x", body, None, None);
    plan.dependencies.iter().map(|edge| (edge.task + 1, edge.on + 1)).collect()
}

fn walls(body: &str) -> Vec<(Vec<usize>, Vec<usize>)> {
    let plan = read("Epic: x", body, None, None);
    plan.barriers.into_iter().map(|wall| (wall.before, wall.after)).collect()
}

#[test]
fn each_word_that_waits_makes_an_edge() {
    for words in [
        "depends on #1",
        "blocked by #1",
        "waits for #1",
        "after #1",
        "once #1 is merged",
        "must not move until #1",
        "must not start before #1",
        "requires #1",
        "**Depends on:** #1",
        "builds on #1",
        "depende de #1",
        "après #1",
        "依赖 #1",
    ] {
        assert_eq!(edges(&format!("- [ ] #1 store\n- [ ] #2 api ({words})\n")), [(2, 1)], "{words}");
    }
    for words in ["blocks #2", "must land before #2", "required by #2"] {
        assert_eq!(edges(&format!("- [ ] #1 store, {words}\n- [ ] #2 api\n")), [(2, 1)], "{words}");
    }
}

#[test]
fn a_denial_and_list_order_make_none() {
    for words in
        ["does not depend on #1", "no longer blocked by #1", "see #1", "after the merge", "after #99"]
    {
        assert_eq!(edges(&format!("- [ ] #1 store\n- [ ] #2 api ({words})\n")), [], "{words}");
    }
    assert_eq!(edges("1. Add a\n2. Add b\n3. Add c\n"), []);
}

#[test]
fn tasks_are_named_by_number_identifier_title_and_cell() {
    assert_eq!(edges("- [ ] Add store\n- [ ] Add api, after task 1\n"), [(2, 1)]);
    assert_eq!(
        edges("- [ ] T1 store\n- [ ] T2 api\n- [ ] T3 page (after T1, T2 and T9)\n"),
        [(3, 1), (3, 2)]
    );
    assert_eq!(edges("- [ ] Create the store\n- [ ] Add api after \"Create the store\"\n"), [(2, 1)]);
    let table = "| # | Task | Depends on |\n|---|---|---|\n| 1 | Add a | — |\n| 2 | Add b | 1 (for data) |\n| 3 | Add c | 1, 2 |\n";
    assert_eq!(edges(table), [(2, 1), (3, 1), (3, 2)]);
}

#[test]
fn sentences_outside_the_list_count_when_they_name_both() {
    let list = "- [ ] #1 a\n- [ ] #2 b\n- [ ] #3 c\n\n";
    assert_eq!(edges(&format!("{list}## Dependencies\n- #3 depends on #1 and #2\n")), [(3, 1), (3, 2)]);
    assert_eq!(edges(&format!("{list}Order: #1 → #2, #3\n")), [(2, 1), (3, 1)]);
    assert_eq!(edges(&format!("{list}Start with #2; do the rest when it works.\n")), [(1, 2), (3, 2)]);
    assert_eq!(edges(&format!("{list}Depends on #9.\n")), []);
    assert_eq!(edges(&format!("{list}```\n#1 -> #2\n```\n")), []);
}

#[test]
fn an_execution_order_is_a_chain() {
    assert_eq!(edges("## Execution order\n1. Add a\n2. Add b\n3. Add c\n"), [(2, 1), (3, 2)]);
    assert_eq!(edges("- [ ] Add a\n- [ ] Add b\n\nThe tasks must be done one at a time.\n"), [(2, 1)]);
}

#[test]
fn waves_are_walls_and_phases_only_where_the_text_says_so() {
    let stages = |word: &str, more: &str| {
        format!("{more}\n\n## {word} 1\n- [ ] Add a\n- [ ] Add b\n\n## {word} 2\n- [ ] Add c\n")
    };
    let wall = [(vec![0, 1], vec![2])];
    assert_eq!(walls(&stages("Wave", "")), wall);
    assert_eq!(walls(&stages("Phase", "")), []);
    assert_eq!(walls(&stages("Phase", "Phases are sequential.")), wall);
    assert_eq!(walls(&stages("Phase", "Phases are not sequential.")), []);
    assert_eq!(walls(&stages("Phase", "Phase 2 starts after Phase 1.")), wall);
}
