//! The labelled issues in other clothes: other bullets, headings, line ends, languages of section names, and sections
//! beside the work. What a person would not read differently, the reader must not either; where it does, its rules
//! have been fitted to texts and not to what they mean.

use super::{Case, blind, cases, fresh, shapes, unseen};
use crate::support::figures;
use divisi::plan;

/// Of the issues that a disguise changes, no more than this share may be read differently.
const MOST_DIFFERENT: f64 = 0.03;

/// The name of a disguise and what it makes of a body.
type Disguise = (&'static str, fn(&str) -> String);

const DISGUISES: &[Disguise] = &[
    ("line ends of Windows", |body| body.replace('\n', "\r\n")),
    ("stars as bullets", |body| lines(body, |line| bullet(line, '*'))),
    ("pluses as bullets", |body| lines(body, |line| bullet(line, '+'))),
    ("capital ticks", |body| lines(body, |line| line.replacen("[x]", "[X]", 1))),
    ("lists moved in by a space", |body| {
        lines(body, |line| if is_bullet(line) { format!(" {line}") } else { line.to_owned() })
    }),
    ("spaces at the ends of lines", |body| lines(body, |line| format!("{line} "))),
    ("headings one level deeper", |body| heading(body, |marks, title| format!("#{marks} {title}"))),
    ("headings with a sign", |body| heading(body, |marks, title| format!("{marks} 📋 {title}"))),
    ("headings with closing signs", |body| heading(body, |marks, title| format!("{marks} {title} ##"))),
    ("headings in capitals", |body| heading(body, |marks, title| format!("{marks} {}", shouted(title)))),
    ("all folded away", |body| format!("<details>\n<summary>More</summary>\n\n{body}\n\n</details>\n")),
    ("a comment in front", |body| format!("<!-- please keep\n- [ ] this\n-->\n\n{body}")),
    ("a quote in front", |body| format!("> Moved from the old tracker\n> - [ ] old item\n\n{body}")),
    ("notes behind", |body| format!("{body}\n\n## Notes\n\n- remember the holidays\n- ask first\n")),
    ("links behind", |body| {
        format!("{body}\n\n## Links\n\n- https://example.org/a\n- https://example.org/b\n")
    }),
    ("criteria behind", |body| {
        format!("{body}\n\n## Acceptance criteria\n\n- [ ] it works\n- [ ] no warnings\n")
    }),
    ("definition of done behind", |body| format!("{body}\n\n## Definition of Done\n- [ ] Tests are green\n")),
    ("questions behind", |body| {
        format!("{body}\n\n**Open questions**\n\n- [ ] who decides?\n- what then?\n")
    }),
    ("out of scope behind", |body| format!("{body}\n\n### Out of scope\n\n- [ ] a rewrite\n- mobile\n")),
    ("Spanish criteria behind", |body| format!("{body}\n\n## Criterios de aceptación\n\n- [ ] Funciona\n")),
    ("Japanese criteria behind", |body| format!("{body}\n\n## 受け入れ条件\n\n- [ ] 動作する\n")),
    ("Russian notes behind", |body| format!("{body}\n\n## Примечания\n\n- [ ] не забыть\n")),
    ("Spanish section names", |body| translated(body, 1)),
    ("German section names", |body| translated(body, 2)),
    ("French section names", |body| translated(body, 3)),
    ("Portuguese section names", |body| translated(body, 4)),
    ("Japanese section names", |body| translated(body, 5)),
    ("Chinese section names", |body| translated(body, 6)),
    ("Korean section names", |body| translated(body, 7)),
    ("Russian section names", |body| translated(body, 8)),
];

/// Names of sections in nine languages.
#[rustfmt::skip]
const NAMES: &[[&str; 9]] = &[
    ["tasks", "Tareas", "Aufgaben", "Tâches", "Tarefas", "タスク", "任务", "작업 목록", "Задачи"],
    ["acceptance criteria", "Criterios de aceptación", "Akzeptanzkriterien", "Critères d'acceptation", "Critérios de aceite", "受け入れ条件", "验收标准", "완료 조건", "Критерии приёмки"],
    ["goal", "Objetivo", "Ziel", "Objectif", "Objetivo", "目的", "目标", "목표", "Цель"],
    ["goals", "Objetivos", "Ziele", "Objectifs", "Objetivos", "目標", "目标", "목표", "Цели"],
    ["notes", "Notas", "Hinweise", "Remarques", "Notas", "備考", "备注", "비고", "Примечания"],
    ["out of scope", "Fuera de alcance", "Nicht im Umfang", "Hors périmètre", "Fora do escopo", "対象外", "不在范围", "제외", "Вне рамок"],
    ["summary", "Resumen", "Zusammenfassung", "Résumé", "Resumo", "概要", "概述", "개요", "Описание"],
    ["context", "Contexto", "Kontext", "Contexte", "Contexto", "背景", "背景", "배경", "Контекст"],
    ["description", "Descripción", "Beschreibung", "Description", "Descrição", "説明", "描述", "설명", "Описание"],
    ["dependencies", "Dependencias", "Abhängigkeiten", "Dépendances", "Dependências", "依存関係", "依赖", "의존성", "Зависимости"],
];

/// Changes each line outside of fences.
fn lines(body: &str, change: impl Fn(&str) -> String) -> String {
    let mut fenced = false;
    let mut out = Vec::new();
    for line in body.replace("\r\n", "\n").split('\n') {
        let fence = line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~");
        out.push(if fenced || fence { line.to_owned() } else { change(line) });
        fenced ^= fence;
    }
    out.join("\n")
}

fn is_bullet(line: &str) -> bool {
    ["- ", "* ", "+ "].iter().any(|mark| line.trim_start().starts_with(mark))
}

fn bullet(line: &str, mark: char) -> String {
    let bare = line.trim_start();
    match bare.strip_prefix("- ") {
        Some(rest) => format!("{}{mark} {rest}", &line[..line.len() - bare.len()]),
        None => line.to_owned(),
    }
}

/// Changes each heading, given as its signs and its title.
fn heading(body: &str, change: impl Fn(&str, &str) -> String) -> String {
    lines(body, |line| {
        let title = line.trim_start_matches('#');
        let marks = line.len() - title.len();
        match (1..6).contains(&marks) && title.starts_with(' ') && !title.trim().is_empty() {
            true => change(&line[..marks], title.trim().trim_end_matches(['#', ' '])),
            false => line.to_owned(),
        }
    })
}

/// Capitals, unless they would change what a name or an identifier says.
fn shouted(title: &str) -> String {
    let words = title.chars().all(|c| c.is_ascii_alphabetic() || c == ' ');
    if words { title.to_uppercase() } else { title.to_owned() }
}

fn translated(body: &str, language: usize) -> String {
    heading(body, |marks, title| {
        let name = NAMES.iter().find(|row| row[0] == title.to_lowercase().trim_end_matches(':'));
        format!("{marks} {}", name.map_or(title, |row| row[language]))
    })
}

fn titles(case: &Case, body: &str) -> (bool, Vec<String>) {
    let plan = plan::read(&case.title, body, None, None);
    // A heading that is a task keeps its sign.
    let bare = |title: String| title.trim_start_matches(['📋', ' ']).to_owned();
    (plan.is_master, plan.tasks.into_iter().map(|task| bare(task.title)).collect())
}

#[test]
fn other_clothes_do_not_change_what_is_read() {
    let all: Vec<Case> =
        cases().into_iter().chain(shapes()).chain(unseen()).chain(blind()).chain(fresh()).collect();
    let plain: Vec<_> = all.iter().map(|case| titles(case, &case.body)).collect();
    let mut worst = (0.0, "");
    for (name, disguise) in DISGUISES {
        let mut changed = 0;
        let mut different = Vec::new();
        for (case, plain) in all.iter().zip(&plain) {
            // Front matter, and breaks that were lost or spelled out, are what such a text is about.
            let odd = ["front-matter", "literal-backslash-n", "several-items-per-line"];
            let body = disguise(&case.body);
            if body == case.body || case.shape.iter().any(|shape| odd.contains(&shape.as_str())) {
                continue;
            }
            changed += 1;
            if titles(case, &body) != *plain {
                different.push(case.id.as_str());
            }
        }
        let share = different.len() as f64 / f64::from(changed);
        if share > worst.0 {
            worst = (share, name);
        }
        assert!(changed > 20, "{name}: hardly any issue is changed");
        assert!(
            share <= MOST_DIFFERENT,
            "{name}: {} of {changed} are read differently: {different:?}",
            different.len()
        );
    }
    figures::tell(
        "plan",
        &format!(
            "{} issues in {} disguises: at most {:.1} % read differently ({})",
            all.len(),
            DISGUISES.len(),
            worst.0 * 100.0,
            worst.1
        ),
    );
}
