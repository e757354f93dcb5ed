//! The graphs of plans in the real mermaid in a real browser, set as GitHub sets it: each is drawn, whole, and does nothing.

use divisi::domain::{RunPolicy, StartOptions};
use divisi::plan::{self, Confidence, Overlap, Plan, PlannedTask};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version of which the traps are known. GitHub does not tell its own.
const VERSION: &str = "11.17.2";
/// All graphs together may take so long, in seconds.
const LONGEST: &str = "60";

/// Where `scripts/test` puts mermaid.
fn mermaid() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/mermaid/package");
    let named = std::fs::read_to_string(package.join("package.json")).unwrap_or_default();
    assert!(
        named.contains(&format!("\"version\": \"{VERSION}\"")),
        "mermaid {VERSION} is not in {}. Run scripts/test: it fetches the npm package there.",
        package.display()
    );
    package.join("dist/mermaid.min.js")
}

/// The browser: `DIVISI_TEST_BROWSER`, else `chromium`.
fn browser() -> String {
    std::env::var("DIVISI_TEST_BROWSER").unwrap_or_else(|_| "chromium".to_owned())
}

/// What was drawn of one graph.
#[derive(Debug, Deserialize)]
struct Drawn {
    error: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    edges: usize,
    /// Elements and attributes that could do something.
    #[serde(default)]
    acts: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Page {
    graphs: Vec<Drawn>,
    /// Whether anything in a label ran.
    fired: bool,
    ms: f64,
}

const SCRIPT: &str = r#"
window.fired = false;
window.alert = () => { window.fired = true; };
(async () => {
  const began = performance.now();
  mermaid.initialize({ startOnLoad: false, securityLevel: 'strict' });
  const drawn = [];
  for (let i = 0; i < graphs.length; i++) {
    try {
      const { svg } = await mermaid.render('g' + i, graphs[i]);
      const place = document.createElement('div');
      place.innerHTML = svg;
      document.body.append(place);
      const acts = [];
      for (const e of place.querySelectorAll('*')) {
        if (/^(script|a|iframe|img|image|object|embed|form|foreignobject-script)$/i.test(e.tagName)) acts.push(e.tagName);
        for (const a of e.attributes)
          if (/^on/i.test(a.name) || /^(xlink:)?href$/i.test(a.name) || /javascript:/i.test(a.value)) acts.push(a.name + '=' + a.value);
      }
      if (/Syntax error/.test(svg)) throw 'Syntax error in the picture';
      drawn.push({
        labels: [...place.querySelectorAll('.node .nodeLabel')].map(n => n.textContent),
        edges: place.querySelectorAll('.edgePaths path').length,
        acts,
      });
      place.remove();
    } catch (error) {
      drawn.push({ error: String(error) });
    }
  }
  await new Promise(done => setTimeout(done, 50));
  document.getElementById('results').textContent =
    JSON.stringify({ graphs: drawn, fired: window.fired, ms: performance.now() - began });
})();
"#;

/// Draws all of them in one browser.
fn draw(graphs: &[String]) -> Page {
    let dir = tempfile::tempdir().expect("a directory");
    let texts = serde_json::to_string(graphs).expect("JSON").replace('<', "\\u003c");
    let page = format!(
        "<!doctype html><meta charset=utf-8><body><pre id=results></pre><script src=\"file://{}\"></script><script>const graphs = {texts};{SCRIPT}</script>",
        mermaid().display()
    );
    let file = dir.path().join("page.html");
    std::fs::write(&file, page).expect("a page");
    let output = Command::new("timeout")
        .args([LONGEST, &browser(), "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .arg("--virtual-time-budget=600000")
        .arg(format!("--user-data-dir={}", dir.path().join("profile").display()))
        .arg("--dump-dom")
        .arg(format!("file://{}", file.display()))
        .output()
        .expect("timeout");
    let dom = String::from_utf8_lossy(&output.stdout);
    let results = dom.split("<pre id=\"results\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let results = results.filter(|text| !text.is_empty()).unwrap_or_else(|| {
        panic!(
            "{} draws nothing ({}). Run scripts/test: it installs chromium. DIVISI_TEST_BROWSER may name another.\n{}",
            browser(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )
    });
    let text =
        results.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", "\u{a0}").replace("&amp;", "&");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The graph in the plan's comment, if there is one.
fn graph(plan: &Plan) -> Option<String> {
    let text = divisi::report::plan(
        plan,
        &RunPolicy::default(),
        &StartOptions::default(),
        &divisi::domain::explain::Places::default(),
        None,
    );
    let (_, rest) = text.split_once("```mermaid\n")?;
    let (graph, _) = rest.split_once("```").expect("a fence that is closed");
    Some(graph.to_owned())
}

/// How many arrows the plan has.
fn arrows(plan: &Plan) -> usize {
    let open: Vec<usize> = plan.open().collect();
    let of = |side: &[usize]| side.iter().filter(|i| open.contains(i)).count();
    plan.open_dependencies().count()
        + plan.open_barriers().map(|b| of(&b.before) * of(&b.after)).sum::<usize>()
        + plan.overlaps.iter().filter(|o| open.contains(&o.a) && open.contains(&o.b)).count()
}

/// Tasks with these titles, each after the one before.
fn chain(titles: &[String]) -> Plan {
    let task = |title: &String| PlannedTask { title: title.clone(), ..PlannedTask::default() };
    let overlap = |b: usize| Overlap { a: b - 1, b, reason: "both".into(), confidence: Confidence::Certain };
    Plan {
        tasks: titles.iter().map(task).collect(),
        overlaps: (1..titles.len()).map(overlap).collect(),
        ..Plan::default()
    }
}

fn hostile() -> Vec<String> {
    let mut titles: Vec<String> = [
        "end",
        "click",
        "click t1 href \"javascript:alert(1)\"",
        "subgraph",
        "graph TD",
        "style t1 fill:#f00",
        "a \"quoted\" title",
        "it's `code`",
        "\"]; click t1 \"javascript:alert(1)\"",
        "[brackets] {braces} (parens) ((round)) {{hex}}",
        "a --> b -.-> c === d",
        "%%{init: {\"securityLevel\": \"loose\"}}%%",
        "%% a comment",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<a href=\"javascript:alert(1)\">here</a>",
        "&lt;b&gt; &amp; #35; #quot; &#60;",
        "**bold** _emphasis_ __strong__ ~~gone~~",
        "- a list",
        "1. first",
        "# heading",
        "$$x^2$$ and $y$",
        "[a link](https://example.com) and https://example.com",
        "a; b | c : d",
        "back\\slash \\n \\\"",
        "🎉 done 👩‍👩‍👧 ✅",
        "مرحبا بالعالم עברית",
        "\u{202e}desrever\u{202c}",
        "日本語のタスク",
        "e\u{301}\u{301}\u{301} zalgo",
        "fa:fa-car icon",
        "@{ shape: rect }",
        "t1:::class",
        "~~~mermaid",
    ]
    .map(str::to_owned)
    .into();
    titles.push("w".repeat(256));
    titles.push("ö ".repeat(128));
    titles.push("\"]".repeat(128));
    titles
}

/// The issues that are labelled, read as they are.
fn labelled() -> Vec<(String, Plan)> {
    #[derive(Deserialize)]
    struct Case {
        title: String,
        body: String,
    }
    let mut plans = Vec::new();
    for folder in ["cases", "shapes"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plans").join(folder);
        for entry in std::fs::read_dir(folder).expect("cases") {
            let path = entry.expect("a case").path();
            let text = std::fs::read_to_string(&path).expect("a case");
            let case: Case = serde_json::from_str(&text).expect("a case");
            let plan = plan::read(&case.title, &case.body, Some(1), None);
            plans.push((path.display().to_string(), plan));
        }
    }
    plans
}

#[test]
fn every_graph_is_drawn_whole_and_does_nothing() {
    let mut plans = labelled();
    let titles = hostile();
    for title in &titles {
        plans.push((format!("{title:?}"), chain(&[title.clone(), "after it".to_owned()])));
    }
    plans.push(("all hostile titles".to_owned(), chain(&titles)));
    // As many tasks as a plan can have, as many arrows as are drawn.
    let mut largest = chain(&(0..100).map(|n| format!("{n} {}", "ö\"".repeat(100))).collect::<Vec<_>>());
    for (a, b) in (0..100).flat_map(|b| (0..b).map(move |a| (a, b))).filter(|(a, b)| a + 1 < *b).take(101) {
        largest.overlaps.push(Overlap { a, b, reason: String::new(), confidence: Confidence::Certain });
    }
    assert_eq!(arrows(&largest), 200);
    plans.push(("the largest".to_owned(), largest));

    let drawn: Vec<(String, Plan, String)> = plans
        .into_iter()
        .filter_map(|(name, plan)| Some((name, graph(&plan)?)).map(|(n, g)| (n, plan, g)))
        .collect();
    assert!(drawn.len() > titles.len() + 10, "only {} graphs", drawn.len());
    let mut graphs: Vec<String> = drawn.iter().map(|(_, _, graph)| graph.clone()).collect();
    // What this test must be able to see.
    graphs.push("flowchart LR\n  end[broken\n".to_owned());
    graphs.push("flowchart LR\n  t1[\"a\"]\n  click t1 \"https://example.com\"\n".to_owned());
    let page = draw(&graphs);
    assert_eq!(page.graphs.len(), graphs.len());
    assert!(!page.fired, "something in a label ran");

    let mut wrong = Vec::new();
    for ((name, plan, graph), picture) in drawn.iter().zip(&page.graphs) {
        let open: Vec<usize> = plan.open().collect();
        let numbers: Vec<String> = open.iter().filter_map(|i| Some(plan.number(*i)?.to_string())).collect();
        let mut shown: Vec<&str> =
            picture.labels.iter().map(|l| l.split_whitespace().next().unwrap_or_default()).collect();
        shown.sort_by_key(|n| n.parse::<u32>().unwrap_or(u32::MAX));
        let whole = picture.labels.iter().all(|label| {
            let wanted = open.iter().find_map(|i| {
                let number = plan.number(*i)?.to_string();
                let title = plan.tasks[*i].title.split_whitespace().collect::<Vec<_>>().join(" ");
                (label.split_whitespace().next() == Some(number.as_str()))
                    .then(|| format!("{number} {title}"))
            });
            let label = label.split_whitespace().collect::<Vec<_>>().join(" ");
            wanted.is_some_and(|w| match label.strip_suffix('…') {
                Some(cut) => w.starts_with(cut.trim_end()) && cut.chars().count() >= 30,
                None => w == label,
            })
        });
        if picture.error.is_some()
            || shown != numbers
            || picture.edges != arrows(plan)
            || !picture.acts.is_empty()
            || !whole
        {
            wrong.push(format!("{name}: {picture:?}\n{graph}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), drawn.len(), wrong.join("\n"));
    let [.., broken, link] = page.graphs.as_slice() else { panic!("two more") };
    assert!(broken.error.is_some(), "a broken graph is seen: {broken:?}");
    assert!(!link.acts.is_empty(), "a link is seen: {link:?}");
    println!("{} graphs in {:.1} s", graphs.len(), page.ms / 1e3);
}
