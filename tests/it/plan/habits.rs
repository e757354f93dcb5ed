//! Habits of maintainers, each in the least text that shows it: what is a task, and what waits for what.

use divisi::plan;

/// Title, body, the titles of the tasks, and the edges (task, on) from 1 as people count.
type Habit = (&'static str, &'static str, &'static [&'static str], &'static [(usize, usize)]);

#[rustfmt::skip]
const HABITS: &[Habit] = &[
    ("Epic: x",
     "- [ ] #5 store → #6 api → #7 ui\n",
     &["#5 store → #6 api → #7 ui"], &[]),
    ("Epic: x",
     "## Tasks\n- [ ] #5 store\n- [ ] #6 api\n- [ ] #7 ui\n\n## Order\n#5 (store) -> #6 (api) -> #7\n",
     &["#5 store", "#6 api", "#7 ui"], &[(2, 1), (3, 2)]),
    ("Epic: x",
     "- [ ] Backend\n  - [ ] Create store\n  - [ ] Add api\n- [ ] Frontend\n  - [ ] Build page\n  - [ ] Add tests\n",
     &["Create store", "Add api", "Build page", "Add tests"], &[]),
    ("Tracking: y",
     "1. Core\n   - Write parser\n   - Write lexer\n2. Docs\n   - Write guide\n   - Add examples\n",
     &["Write parser", "Write lexer", "Write guide", "Add examples"], &[]),
    ("Refactor the config",
     "## Motivation\nIt is old.\n\n- slow\n- hard to read\n\n## Proposal\n\n1. Read TOML\n2. Drop INI\n\n## Checklist\n\n- [x] I have searched\n",
     &[], &[]),
    ("[Epic] Z",
     "## User stories\n- [ ] As a user, I want to log in so that I can see my data (#4)\n- [ ] As an admin, I want to see logs\n\n## Out of Scope\n- [ ] SSO\n",
     &["As a user, I want to log in so that I can see my data (#4)", "As an admin, I want to see logs"], &[]),
    ("Epic: Milestone tracker",
     "First #1001, then #1002 and #1003, finally #1004.\n\n- [ ] #1001\n- [ ] #1002\n- [ ] #1003\n- [ ] #1004\n",
     &["#1001", "#1002", "#1003", "#1004"], &[(2, 1), (3, 1)]),
    ("Migrate to v2",
     "### Step 1: Prepare the database\nRun the script.\n\n### Step 2: Deploy the service\nUse the new image.\n\n### Step 3: Remove the old tables\nAfter a week.\n",
     &["Step 1: Prepare the database", "Step 2: Deploy the service", "Step 3: Remove the old tables"], &[]),
    ("Bug: crash on start",
     "### Steps\n1. Open the app\n2. Click\n\n### Expected\nNo crash\n\n### Actual behavior\nCrash\n",
     &[], &[]),
    ("Epic: A",
     "## Phase 1: Foundation\n\n### 1.1 Set up the repo\n- CI\n- linter\n\n### 1.2 Add the store\n- SQLite\n- migrations\n\n## Phase 2: API\n\n### 2.1 Add routes\n- GET\n- POST\n\nPhase 2 depends on Phase 1.\n",
     &["1.1 Set up the repo", "1.2 Add the store", "2.1 Add routes"], &[]),
    ("Umbrella: lint",
     "- [x] `src/a.rs` (#41)\n- [ ] `src/b.rs`\n\n### Notes\n- [ ] not this\n\n### Progress\n2 of 3\n",
     &["`src/a.rs` (#41)", "`src/b.rs`"], &[]),
    ("Release 1.4",
     "Checklist:\n* Update changelog\n* Tag\n* Publish to crates.io\n",
     &["Update changelog", "Tag", "Publish to crates.io"], &[]),
    ("Meta: docs",
     "| Page | Assignee | Done |\n|---|---|---|\n| Intro | @a | [x] |\n| Guide | | [ ] |\n",
     &["Intro", "Guide"], &[]),
    ("Epic: split",
     "### Subtasks\n- #11: a\n- #12: b (blocked by #11)\n- #13: c, must not start before #12 is merged\n- #14: d — unblocks #13\n",
     &["#11: a", "#12: b (blocked by #11)", "#13: c, must not start before #12 is merged", "#14: d — unblocks #13"], &[(2, 1), (3, 2), (3, 4)]),
    ("Tarefas do MVP",
     "## Tarefas\n1. Criar o banco\n2. Criar a API (depende da tarefa 1)\n3. Tela de login, depois da tarefa 2\n",
     &["Criar o banco", "Criar a API (depende da tarefa 1)", "Tela de login, depois da tarefa 2"], &[(2, 1), (3, 2)]),
    ("Epic : Aufräumen",
     "### Teilaufgaben\n- [ ] Schritt A: Tests schreiben\n- [ ] Schritt B: Code löschen (nach Schritt A)\n",
     &["Schritt A: Tests schreiben", "Schritt B: Code löschen (nach Schritt A)"], &[(2, 1)]),
    ("feat: new editor",
     "## Summary\nNew editor.\n\n## Implementation plan\n1. Add the model\n2. Add the view\n3. Wire both\n\n## Acceptance criteria\n- [ ] Works\n",
     &["Add the model", "Add the view", "Wire both"], &[]),
    ("Epic: Sub",
     "### Tracked issues\n#21\n#22\n#23\n",
     &["#21", "#22", "#23"], &[]),
    ("Epic: Sub",
     "### Issues\n#21, #22 and #23\n",
     &["#21", "#22", "#23"], &[]),
    ("Parent: three",
     "Children: #31 (api), #32 (ui), #33 (docs)\n",
     &["#31 (api)", "#32 (ui)", "#33 (docs)"], &[]),
    ("Epic: gate",
     "- [ ] #41 a\n- [ ] #42 b\n- [ ] #43 c\n\nOnce #41 is green, #42 and #43 can start in parallel.\n",
     &["#41 a", "#42 b", "#43 c"], &[(2, 1), (3, 1)]),
    ("Epic: gate",
     "- [ ] #41 a\n- [ ] #42 b\n- [ ] #43 c\n\n#41 blocks #42 and #43.\n#43 is independent of #42.\n",
     &["#41 a", "#42 b", "#43 c"], &[(2, 1), (3, 1)]),
    ("Tracking issue for flags",
     "- [ ] Foo flag (blocked on upstream)\n- [ ] Bar flag\n  Note: needs #99 from another team\n- [ ] Baz flag after the freeze\n",
     &["Foo flag (blocked on upstream)", "Bar flag", "Baz flag after the freeze"], &[]),
    ("Improve docs",
     "There are several pages that need work:\n\n- [ ] install\n- [ ] usage\n\nPlease also see #5.\n\n**Definition of done**\n\n- [ ] reviewed\n",
     &["install", "usage"], &[]),
    ("Epic: long",
     "**Phase A**\n- [ ] a1\n- [ ] a2\n\n**Phase B** (after Phase A)\n- [ ] b1\n",
     &["a1", "a2", "b1"], &[]),
    ("Weekly digest",
     "- 12 new users\n- 3 bugs fixed: #1, #2, #3\n- next: polish\n",
     &[], &[]),
    ("How do we want to handle errors?",
     "Options:\n\n- [ ] Option A: panic\n- [ ] Option B: result\n\nPlease vote.\n",
     &[], &[]),
    ("Support new platform",
     "## Requirements\n- [ ] builds\n- [ ] tests\n\n## Definition of done\n- [ ] docs\n",
     &[], &[]),
    ("Epic: order",
     "## Execution order\n1. #51\n2. #52 and #53 (parallel)\n3. #54\n\n## Sub-issues\n- [ ] #51 a\n- [ ] #52 b\n- [ ] #53 c\n- [ ] #54 d\n",
     &["#51 a", "#52 b", "#53 c", "#54 d"], &[(2, 1), (3, 1), (4, 2), (4, 3)]),
    ("Epic: table",
     "| ID | Story | Depends on |\n|---|---|---|\n| S1 | Login | |\n| S2 | Logout | S1 |\n| S3 | Profile | S1, S2 |\n",
     &["Login", "Logout", "Profile"], &[(2, 1), (3, 1), (3, 2)]),
    ("Epic: criteria per task",
     "### Task 1: Build\nText\n**Acceptance criteria**\n- [ ] x\n\n### Task 2: Test\nText\n**Acceptance criteria**\n- [ ] y\n",
     &["Task 1: Build", "Task 2: Test"], &[]),
    ("v3 TODO",
     "**Must have**\n- parser\n- printer\n\n**Nice to have**\n- colors\n",
     &["parser", "printer", "colors"], &[]),
    ("Sprint 4 goals",
     "- [ ] ship search\n- [ ] fix login\n",
     &["ship search", "fix login"], &[]),
    ("Tracking: x",
     "- [ ] Task: do a\n- [ ] Task: do b\n\n---\n### Contributing\n1. Fork\n2. PR\n",
     &["Task: do a", "Task: do b"], &[]),
    ("[Roadmap] 2026",
     "## Q1\n* [#61](https://github.com/acme/widgets/issues/61) Search\n* Faster boot\n\n## Q2\n* Plugins\n",
     &["[#61](https://github.com/acme/widgets/issues/61) Search", "Faster boot", "Plugins"], &[]),
    ("エピック: 移行",
     "## タスク\n- [ ] #71 設計\n- [ ] #72 実装（#71 の完了後）\n- [ ] #73 テスト（#72 に依存）\n",
     &["#71 設計", "#72 実装（#71 の完了後）", "#73 テスト（#72 に依存）"], &[(2, 1), (3, 2)]),
    ("Project plan",
     "## Work packages\n### WP1 – Data model\nText.\n### WP2 – API\nNeeds WP1.\n### WP3 – UI\nNeeds WP2.\n",
     &["WP1 – Data model", "WP2 – API", "WP3 – UI"], &[(2, 1), (3, 2)]),
];

#[test]
fn each_habit_is_read() {
    for (title, body, tasks, edges) in HABITS {
        let plan = plan::read(title, body, Some(1), Some(("acme", "widgets")));
        let found: Vec<_> = plan.tasks.iter().map(|task| task.title.as_str()).collect();
        assert_eq!(found, *tasks, "{title}\n{body}");
        let mut found: Vec<_> = plan.dependencies.iter().map(|edge| (edge.task + 1, edge.on + 1)).collect();
        found.sort_unstable();
        assert_eq!(found, *edges, "{title}\n{body}");
    }
}

#[test]
fn stages_are_walls_where_the_text_says_so() {
    for body in [
        "**Phase A**\n- [ ] a1\n- [ ] a2\n\n**Phase B** (after Phase A)\n- [ ] b1\n",
        "## Phase 1\n- [ ] a1\n- [ ] a2\n\n## Phase 2\n- [ ] b1\n\nPhase 2 starts when Phase 1 is released.\n",
        "Las fases son secuenciales.\n\n## Fase 1\n- [ ] a1\n- [ ] a2\n\n## Fase 2\n- [ ] b1\n",
        "Work phase by phase, never by label: start with the first.\n\n**Phase 1:** #11, #12\n**Phase 2:** #13\n",
    ] {
        let plan = plan::read("Epic: x", body, None, None);
        let walls: Vec<_> =
            plan.barriers.iter().map(|wall| (wall.before.clone(), wall.after.clone())).collect();
        assert_eq!(walls, [(vec![0, 1], vec![2])], "{body}");
    }
    let free = "Phases are independent.\n\n## Phase 1\n- [ ] a\n\n## Phase 2\n- [ ] b\n";
    assert!(plan::read("Epic: x", free, None, None).barriers.is_empty());
}

#[test]
fn how_sure_the_reader_is() {
    let plan = plan::read(
        "Epic: x",
        "1. Write `src/a.rs`\n2. Test `src/a.rs` (after 1)\n3. Split `lib.rs`, depends on task 1\n4. Document `lib.rs`\n",
        None,
        None,
    );
    let levels: Vec<_> = plan.dependencies.iter().map(|edge| edge.confidence.as_str()).collect();
    assert_eq!(levels, ["likely", "certain"], "a bare number may mean something else");
    let levels: Vec<_> = plan.overlaps.iter().map(|pair| pair.confidence.as_str()).collect();
    assert_eq!(levels, ["certain", "likely"], "a bare file name may stand in several folders");
}
