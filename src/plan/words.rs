//! The words that tell what a section or an item is for, in folded form (see `text::fold`): lower case, no Latin
//! accents. Every list says what a maintainer means by such a heading, in the languages that issues are written in.

use super::phrases::Phrases;

/// Sections that hold criteria of acceptance (R4): not tasks, but what a task must meet.
pub(super) static CRITERIA: Phrases = Phrases::of(&[
    "rubric", "grading", "rubrica", "bareme", "bewertungsschema", "acceptance", "acceptance criteria", "criteria", "criterion", "definition of done",
    "definition of ready", "ready checklist", "readiness checklist", "readiness criteria", "done when", "dod", "dor", "complete when", "completed when", "finished when",
    "exit criteria", "criterios", "criterio", "aceptacion", "definicion de hecho",
    "definicion de terminado", "hecho cuando", "aceite", "aceitacao", "definicao de pronto",
    "definicao de concluido", "conclusao", "pronto quando", "criteres", "critere", "acceptation",
    "definition de fini", "definition de termine", "akzeptanzkriterien", "abnahmekriterien",
    "erfolgskriterien", "abnahme", "fertig wenn", "kriterien", "criteri", "accettazione",
    "acceptatiecriteria", "kryteria", "kriterleri", "kriterier", "受け入れ条件", "受入条件", "受け入れ基準", "受入基準", "完了条件",
    "完了の定義", "達成条件", "완료 조건", "완료조건", "인수 조건", "인수조건", "수용 기준", "수락 기준", "완료 기준", "완료 정의", "验收标准", "验收条件",
    "完成标准", "完成条件", "完成定义", "驗收標準", "驗收條件", "完成條件", "критери", "выход", "готово когда",
    "определение готовности", "приемк",
    "exit criterion", "criteria for done", "conditions of satisfaction", "condition of satisfaction",
    "condition of acceptance", "conditions of acceptance", "acceptance conditions", "acceptance tests",
    "acceptance scenarios", "definition of complete", "done means", "condiciones de aceptacion", "criterios de exito",
    "definicion de listo", "condicoes de aceite", "criterios de sucesso", "definicao de feito",
    "conditions d'acceptation", "definition du fini", "definition du termine", "fertigstellungskriterien",
    "definition von fertig", "criteri di accettazione", "acceptatie criteria", "kabul kosullari", "受け入れ要件", "完成の定義",
    "合格条件", "승인 기준", "승인 조건", "검수 기준", "合格标准", "验收要点", "验收", "условия приемк", "готовност", "условия выполнения",
]);

/// Sections whose items are never tasks (R4).
pub(super) static NEVER: Phrases = Phrases::of(&[
    "how to verify", "test plan", "test cases", "test case", "testing plan", "testing instructions",
    "how to test", "testing strategy", "reviewer", "reviewers", "sign off", "signoff", "approver",
    "approvers", "your environment", "existing issue", "before submitting", "before you submit",
    "prior search", "i have searched", "type of change", "types of changes", "kind of change", "type of pr",
    "code of conduct", "pre flight", "preflight", "goal", "goals", "non goals", "nongoals", "objective",
    "objectives", "aims", "vision", "principles", "out of scope", "not in scope", "non scope", "in scope",
    "excluded", "exclusions", "won't do", "wont do", "not planned", "question", "questions", "unresolved",
    "unknowns", "open points", "decision", "decisions", "note", "notes", "remarks", "rule", "rules",
    "guideline", "guidelines", "conventions", "constraints", "assumptions", "invariants", "guardrails",
    "resource", "resources", "reference", "references", "refer", "see also", "further reading", "related",
    "useful links", "prior art", "credits", "parent", "parent issue", "parent epic", "belongs to",
    "part of", "metadata", "meta data", "how to contribute", "contributing", "how to help",
    "how to participate", "getting involved", "get involved", "how to claim", "how to use",
    "review workflow", "review process", "instructions", "instruction", "for maintainers",
    "steps to reproduce", "reproduction", "reproducing", "repro", "expected behavior", "expected behaviour",
    "actual behavior", "actual behaviour", "expected result", "actual result", "screenshots", "system info",
    "example", "examples", "sample", "samples", "e g", "eg", "for example", "for instance", "dependencies",
    "depends on", "blocked by", "prerequisite", "prerequisites", "pre requisites",
    "preconditions", "risk", "risks", "mitigation", "mitigations", "risks and mitigations", "benefit",
    "benefits", "rationale", "alternatives", "alternatives considered", "trade offs", "tradeoffs", "kpis",
    "success metrics", "findings", "evidence", "observations", "root cause", "symptoms", "facts",
    "pr checklist", "review checklist", "reviewer checklist", "submission checklist", "contributor checklist",
    "author checklist", "quality checklist", "qa checklist", "testing checklist", "test checklist",
    "verification checklist", "verification steps", "test steps", "testing notes", "self review", "before merging",
    "business rules", "reglas de negocio", "regras de negocio", "observaciones", "observacoes", "gotchas", "caveats",
    "drawbacks", "limitations", "known issues", "faq", "attendees", "agenda", "how to reproduce", "not doing",
    "deferred", "won't fix", "gates", "go live criteria", "no incluye", "fora do ambito", "hors sujet", "ausserhalb", "nicht enthalten", "非目标",
    "не входит", "non functional requirements", "stakeholders", "maintainer list", "maintainers", "contributors",
    "glossary", "definitions", "implementation history", "estimated effort", "done criteria",
    "fuera de alcance", "alcance", "objetivo", "objetivos", "notas", "nota", "enlaces", "referencias",
    "dependencias", "reglas", "riesgos", "preguntas", "ejemplo", "ejemplos", "requisitos previos",
    "como contribuir", "pasos para reproducir", "metas", "fora do escopo", "fora de escopo", "escopo",
    "regras", "riscos", "perguntas", "exemplo", "exemplos", "pre requisitos", "planejamento",
    "hors perimetre", "hors scope", "perimetre", "objectif", "objectifs", "liens", "dependances", "risques",
    "exemple", "exemples", "regles", "ziel", "ziele", "nicht ziele", "nicht im umfang", "umfang", "hinweis",
    "hinweise", "abhangigkeiten", "risiken", "fragen", "offene fragen", "beispiel", "beispiele", "verweise",
    "voraussetzungen", "obiettivi", "dipendenze", "note tecniche", "fuori ambito", "目的", "目標", "スコープ外",
    "対象外", "備考", "参考", "前提", "依存", "注意", "リスク", "再現手順", "質問", "関連", "スコープ", "목적", "목표", "선행", "참고", "범위",
    "의존", "주의", "규칙", "재개하는 방법", "질문", "비고", "재현", "관련", "제약", "目标", "范围", "备注", "依赖", "风险", "问题", "示例",
    "规则", "前置", "復現", "复现", "關聯", "相关", "цел", "вне рамок", "вне объема", "примечани", "ссылки",
    "зависимости", "риски", "вопрос", "пример", "правила", "вне scope",
    "don't need", "do not need", "not needed", "not now", "not yet", "for later", "later on", "not immediately",
    "not right away", "out of the scope", "not included", "will not do", "won't be done", "explicitly not",
    "non objetivos", "fuera del alcance", "no objetivos", "nao objetivos", "nao inclui", "fora do alcance",
    "nicht ziel", "hors de portee", "non inclus", "kapsam disi", "kapsam", "amac", "bagimliliklar", "notlar",
    "kaynaklar", "範囲外", "やらないこと", "補足", "技術メモ", "実装メモ", "依存関係", "関連リンク", "参考資料", "参考情報", "制約", "前提条件", "优先级说明", "参考资料", "参考链接",
    "不在范围", "不做", "注意事项", "依赖关系", "附录", "참고 자료", "참고사항", "제외", "비목표", "의존성", "전제 조건", "제약 사항", "리스크", "заметки",
    "ссылк", "зависимост", "не делаем", "ограничени", "воспроизведени", "ожидаем", "motivazione", "riferimenti",
    "rischi", "domande", "vincoli", "enlaces de interes", "material de apoio", "ressources", "references utiles",
    "remarques", "questions ouvertes", "abgrenzung", "offene punkte", "links und verweise", "randbedingungen",
    "impedimentos", "bloqueios",
]);

/// Headings that are never work when they stand alone, but may be a group's name with more words around them
/// (`Validation`, yet not `Form validation`).
pub(super) static NEVER_ALONE: Phrases = Phrases::of(&[
    "options", "choices", "poll", "vote", "validation", "verification", "gate", "gates", "process", "workflow", "protocol", "environment",
    "status", "guide", "team", "version", "versions", "logs", "labels", "priority", "severity", "template",
    "legend", "terms", "policy", "focus", "themes", "history", "about", "impact", "metrics", "why", "pros",
    "cons", "documents", "owners", "approval", "approvals", "timeline", "link", "links", "estimate",
    "estimates", "effort estimate", "effort estimation", "工数見積もり", "工数見積", "工作量", "工作量估算", "예상 공수", "changelog", "contact", "discussion", "reproduce", "requires", "epic", "exit",
    "design documents", "useful links", "quality gates", "quality gate", "release gates",
    "prioridad", "prioridade", "priorite", "prioritat", "優先度", "優先順位", "优先级", "優先級", "우선순위", "приоритет", "estado",
    "statut", "状態", "状态", "상태", "статус", "担当者", "负责人", "담당자", "responsable", "responsavel", "zustandig", "見積もり",
    "見積り", "工数", "推定行数", "估时", "추정 시간", "예상 시간", "소요 시간", "estimacion", "estimativa", "aufwand", "оценка", "背景", "種別",
    "类型", "유형", "작업 종류", "etiquetas", "entorno", "ambiente", "umgebung", "environnement", "環境", "环境", "환경",
    "окружение", "delivery", "evidence", "proof", "question", "mode", "deadline", "fecha limite", "prazo", "echeance",
    "期限", "마감", "срок",
]);

/// Sections that describe: a list there is work only when its items have boxes.
pub(super) static PROSE: Phrases = Phrases::of(&[
    "description", "summary", "overview", "context", "background", "introduction", "intro", "motivation",
    "problem", "problem statement", "proposal", "proposed solution", "solution", "proposed change",
    "what changes", "what changed", "changes", "approach", "design", "proposed design", "requirement",
    "requirements", "technical requirements", "functional requirements", "user story", "behavior",
    "behaviour", "current state", "current situation", "feature request", "details",
    "implementation details", "technical details", "specification", "spec", "architecture", "api",
    "expected outcome", "what", "what this does", "features", "use cases", "use case", "concept",
    "tdd requirements", "implementation notes", "implementation scope", "fix", "suggested fix",
    "proposed fix", "describe your changes", "contexto", "descripcion", "resumen", "descricao", "resumo",
    "contexte", "resume", "beschreibung", "kontext", "zusammenfassung", "hintergrund", "contesto",
    "descrizione", "背景", "概要", "説明", "배경", "개요", "설명", "描述", "概述", "контекст", "описание", "requisitos",
    "anforderungen", "要件", "요구사항", "需求",
    "idea", "ideas", "what to add", "content to cover", "what to build", "content", "what happened", "user stories",
    "historia de usuario", "historias de usuario", "problema", "propuesta", "solucion", "solucao", "proposta",
    "motivacion", "motivacao", "probleme", "losung", "vorschlag", "motivation und hintergrund",
    "problema da resolver", "問題", "提案", "解決策", "動機", "现状", "問題点", "方案", "提议", "动机", "문제", "제안", "해결 방안", "배경 및 목적",
    "проблема", "предложение", "решение", "мотивация", "суть", "contesto e problema", "user value", "vocabulary impact",
]);

/// Sections that say what the author wants of the result.
pub(super) static REQUIREMENTS: Phrases = Phrases::of(&[
    "blockers", "blocker", "requirement", "requirements", "requisitos", "anforderungen", "exigences", "要件", "요구사항", "需求", "требования",
]);

/// By these a question is put to whoever fills in a form.
pub(super) static ASKED: Phrases = Phrases::of(&[
    "you", "your", "you'd", "you've", "this pr", "this change", "this pull request", "been tested", "was this tested",
    "an existing issue", "this feature", "feature request", "is there", "are there", "has this",
]);

/// After these the attribute of a name follows: what they stand behind is what a title names.
pub(super) static ATTRIBUTE_FOLLOWS: Phrases = Phrases::of(&[
    "of", "for", "to", "de", "del", "da", "do", "das", "dos", "du", "des", "della", "para", "pour", "fur", "zum",
    "zur", "van", "voor", "di", "per",
]);

/// Sections that hold the list of work (R1), wherever the words stand in the heading.
pub(super) static WORK: Phrases = Phrases::of(&[
    "tasks", "tasklist", "task list", "task breakdown", "subtasks", "sub tasks", "sub issues", "subissues",
    "sub issue", "child issues", "children", "child tasks", "child tickets", "stories", "todo", "todos",
    "to do", "to dos", "to do's", "todo's", "to do list", "todo list", "action items", "work items", "work packages",
    "work breakdown", "workstreams", "work streams", "backlog", "implementation plan",
    "implementation steps", "implementation order", "implementation tasks", "execution plan",
    "execution order", "order of execution", "what needs to be done", "needs to be done", "things to do",
    "remaining work", "planned work", "next steps", "tickets", "deliverable issues", "rollout plan",
    "migration plan", "action plan", "project plan", "tracked issues", "issues to fix", "lanes", "slices",
    "workplan", "work plan", "child prs", "pull requests", "sequencing", "follow ups", "followups",
    "tareas", "subtareas", "pendientes", "plan de implementacion", "plan de trabajo", "tarefas",
    "subtarefas", "plano de implementacao", "taches", "sous taches", "etapes", "aufgaben", "teilaufgaben",
    "unteraufgaben", "schritte", "compiti", "attivita", "taken", "deeltaken", "zadania", "gorevler",
    "uppgifter", "opgaver", "タスク", "サブタスク", "作業", "やること", "実装手順", "対応内容", "작업", "할 일", "할일", "태스크", "구현 단계",
    "任务", "任務", "待办", "待辦", "工作项", "子任务", "实施步骤", "实施计划", "задач", "подзадач", "план работ",
    "task descriptions", "list of tasks", "what's left", "what is left", "what remains", "left to do", "still to do",
    "still missing", "needs to happen", "need to happen", "needing to happen", "needs doing", "must be done",
    "should be done", "to be done", "has to be done", "have to be done", "proposed breakdown", "breakdown",
    "wave plan", "phase plan", "issues homed", "hard todos", "rollout steps", "migration steps", "release steps",
    "lista de tareas", "por hacer", "lista de pendientes", "pasos a seguir", "trabajo pendiente", "hoja de ruta",
    "lista de tarefas", "a fazer", "pendencias", "passos a seguir", "trabalho restante", "plano de trabalho",
    "liste des taches", "reste a faire", "a faire", "travail restant", "aufgabenliste", "offene aufgaben",
    "zu erledigen", "noch zu tun", "arbeitspakete", "arbeitspaket", "umsetzungsschritte", "elenco attivita",
    "da fare", "cose da fare", "yapilacaklar", "alt gorevler", "残作業", "残タスク", "対応事項", "実施内容", "実装内容", "実装計画", "作業内容",
    "子issue", "子タスク", "課題一覧", "작업 내용", "작업목록", "세부 작업", "하위 작업", "해야 할", "진행할", "구현 목록", "待完成", "开发任务", "实现步骤",
    "工作内容", "实施内容", "任务分解", "修复清单", "开发计划", "что сделать", "что нужно сделать", "нужно сделать", "сделать",
    "подзадачи", "этапы", "список дел", "задания",
]);

/// Of these, the plainest names of a list of work.
pub(super) static CALLED: Phrases = Phrases::of(&[
    "tasks", "subtasks", "sub tasks", "sub issues", "subissues", "child issues", "children", "stories", "todo", "to do",
    "action items", "work items", "tareas", "tarefas", "taches", "aufgaben", "タスク", "任务", "작업", "задачи",
    "task list", "to dos", "todos", "subtareas", "subtarefas", "aufgabenliste", "待办", "子任务", "やること", "할 일", "작업 목록",
    "작업목록", "подзадачи",
]);

/// Headings that are such words and hardly anything else: `Plan`, `Work`, `The steps`, `Roadmap 2.0`.
pub(super) static WORK_ALONE: Phrases = Phrases::of(&[
    "work", "steps", "plan", "roadmap", "issues", "actions", "items", "milestones", "phases", "waves",
    "checklist", "remaining", "prs", "stages", "epics", "implementation", "planned", "pasos", "passos",
    "plano", "fahrplan", "手順", "步骤", "계획", "шаги", "план", "计划",
    "etapas", "etapes", "schritte", "hito", "hitos", "marcos", "fases", "phasen", "этап", "단계", "개발 계획",
    "planificacion", "cronograma",
]);

/// Sections that name what an epic delivers: tasks when it has no other list (R6).
pub(super) static DELIVERABLES: Phrases = Phrases::of(&[
    "deliverables", "key deliverables", "deliverable", "outputs", "entregables", "entregaveis",
    "entregavel", "livrables", "liefergegenstande", "ergebnisse", "成果物", "산출물", "交付物", "результаты",
    "livrable", "lieferumfang", "ergebnis", "entrega", "entregas", "deliverables list", "交付内容", "交付成果", "납품물", "결과물",
    "результат",
]);

/// Sections that name what an epic covers: tasks when they list issues and there is no other list (R6).
pub(super) static SCOPE: Phrases = Phrases::of(&["scope", "in scope", "alcance", "escopo", "perimetre", "umfang", "スコープ", "범위", "范围",
    "ambito", "ambitos", "scope items", "対象範囲", "объем", "объём",
]);

/// Sections whose list is an order.
pub(super) static ORDER: Phrases = Phrases::of(&[
    "execution order", "order of execution", "implementation order", "merge order", "order of work",
    "build order", "suggested order", "recommended order", "in this order", "in that order", "in order",
    "strict order", "sequence", "orden de ejecucion", "ordem de execucao", "reihenfolge",
    "ordre d'execution", "実行順", "실행 순서", "执行顺序", "порядок выполнения",
    "hard orders", "hard order", "dependency order", "landing order", "order of landing", "sequence of work",
    "orden de trabajo", "orden de implementacion", "ordem de implementacao", "ordem de trabalho",
    "umsetzungsreihenfolge", "ordre d'implementation", "ordre de realisation", "ordine di esecuzione", "実施順序", "実装順序",
    "実装順", "着手順", "进行顺序", "实施顺序", "开发顺序", "작업 순서", "진행 순서", "구현 순서", "порядок работ", "порядок реализации",
    "очередность",
]);

/// Titles and phrases by which a text calls itself a master issue (R1).
pub(super) static DECLARED: Phrases = Phrases::of(&[
    "epic", "epics", "tracking", "tracking issue", "tracker", "umbrella", "meta", "meta issue", "roadmap",
    "release checklist", "master issue", "parent issue", "checklist", "milestone", "epica", "epico",
    "epopee", "路线图", "エピック", "에픽", "эпик", "tasks", "todo", "to do", "release plan", "parent",
    "campaign", "initiative", "implementation plan", "migration plan", "rollout plan", "project plan", "work plan",
    "suivi", "seguimiento", "acompanhamento", "fahrplan", "feuille de route", "hoja de ruta", "跟踪", "追踪", "追跡", "ロードマップ",
    "로드맵", "дорожная карта",
    "task list", "todo list", "to do list", "sub tasks", "subtasks", "release tasks", "release todo",
    "tracking ticket", "omnibus", "omnibus issue", "hito", "rastreo", "lista de tareas", "lista de tarefas",
    "liste des taches", "aufgabenliste", "sammelissue", "sammelticket", "ubersicht der aufgaben", "roteiro", "任务列表",
    "任务清单", "待办列表", "待办清单", "开发计划", "发布计划", "版本计划", "里程碑", "タスク一覧", "タスクリスト", "親issue", "親チケット", "リリース計画",
    "リリースチェックリスト", "まとめ issue", "작업 목록", "작업목록", "할 일 목록", "마일스톤", "상위 이슈", "릴리스 체크리스트", "мастер issue",
    "мастер-issue", "трекинг", "список задач", "роадмап", "чеклист релиза", "yol haritasi",
]);

/// Phrases in the body that say the same.
pub(super) static DECLARED_IN_BODY: Phrases = Phrases::of(&[
    "tracking issue", "tracking ticket", "tracking thread", "this epic", "umbrella issue",
    "umbrella ticket", "meta issue", "master issue", "parent epic", "epic parent issue",
    "this issue tracks", "tracks the", "tracks our", "coordinating issue", "coordination issue",
    "parent issue that lists", "sub issues below", "roadmap for", "issue to track", "type epic",
    "collects the", "each child issue", "collects every", "this issue collects", "keep track of", "track progress",
    "tracks progress", "track the progress", "progress of", "progress on", "one line per", "esta epica", "este epico",
    "dieses epic", "cette epopee", "用于跟踪", "跟踪",
    "tracks all work", "tracks all the work", "campaign tracking", "this is an epic", "is the epic", "umbrella for",
    "parent for", "master ticket", "this roadmap", "what is left to", "issue de seguimiento", "rastrea",
    "esta issue reune", "diese issue sammelt", "sammelt alle", "cette issue regroupe", "regroupe les taches",
    "親issue", "мастер issue", 
]);

/// How a text says that its children are native sub-issues (R3).
pub(super) static NATIVE: Phrases = Phrases::of(&[
    "sub issues", "subissues", "sub issue", "child issues", "subissue", "sub incidencias", "サブイシュー", "子 issue", "子issue",
    "하위 이슈", "подзадачи",
    "each child", "every child", "all children", "child issue", "child ticket", "its children", "linked issues", "linked issue", "linked below", "linked here", "will be linked", "linked stories", "linked tickets",
    "linked tasks", "child tickets", "child stories",
    "sub issue panel", "native sub issues", "subtarefas nativas", "子议题", "子 议题",
]);

/// A line with such words speaks of another issue.
pub(super) static PART_OF: Phrases = Phrases::of(&[
    "part of", "parent", "belongs to", "split from", "split out of", "follow up", "followup", "child of", "see", "under",
    "related to", "tracked in", "tracked by",
]);

/// First words of an item that make it an attestation of the author, not work.
pub(super) static FIRST_PERSON: Phrases = Phrases::of(&[
    "i have", "i've", "i am", "i'm", "i agree", "i confirm", "i checked", "i looked", "i searched",
    "i read", "i understand", "i would", "i will", "i'd", "i can", "my code", "my change", "my changes",
    "my pr", "he buscado", "he leido", "ich habe", "j'ai", "eu li", "eu procurei",
]);

/// What the author of a report vouches for, in whatever person.
pub(super) static VOUCHED: Phrases = Phrases::of(&[
    "code of conduct", "searched existing", "searched the existing", "searched for existing", "is not a duplicate",
    "not a duplicate", "checked for duplicates", "contribution guidelines", "contributing guidelines",
    "contributing guide", "willing to submit", "willing to contribute", "willing to open", "read the docs",
    "read the documentation", "latest version of", "self review of my", "style guidelines of this project",
]);

/// Headings of forms for reports, requests and pull requests: such a text is one unit of work, whatever its boxes say.
pub(super) static FORM: Phrases = Phrases::of(&[
    "expected behavior", "expected behaviour", "actual behavior", "actual behaviour", "current behavior",
    "current behaviour", "steps to reproduce", "to reproduce", "reproduction steps", "expected result",
    "expected results", "describe the bug", "bug description", "type of change", "types of changes", "change type", "change types",
    "type of changes", "how has this been tested", "how was this tested", "what does this pr do",
    "what does this pull request do", "solution you'd like", "solution you would like", "alternatives you've considered",
    "describe alternatives", "related to a problem", "feature request related", "existing issue for this",
    "existing feature requests", "system info", "comportamiento esperado", "pasos para reproducir",
    "comportamento esperado", "passos para reproduzir", "comportement attendu", "etapes pour reproduire",
    "erwartetes verhalten", "schritte zum reproduzieren", "再現手順", "期待する動作", "期待される動作", "复现步骤", "重现步骤", "期望行为", "预期行为",
    "재현 방법", "재현 절차", "예상 동작", "기대 동작", "шаги воспроизведения", "ожидаемое поведение",
    "advantages", "disadvantages", "drawbacks", "pros and cons", "suggested before", "describe the enhancement",
    "describe the feature", "describe the problem", "describe your", "what did you expect", "what actually happened",
    "minimal reproducible", "bug report", "steps to repro", "how to reproduce", "reproducible example", "observed",
    "observed behavior", "observed behaviour", "bug descripcion", "comportamiento actual", "comportamiento observado",
    "comportamento atual", "comportamento observado", "comportement actuel", "comportement observe",
    "aktuelles verhalten", "tatsachliches verhalten", "fehlerbeschreibung", "実際の動作", "不具合の内容", "バグの内容", "现象", "实际行为",
    "问题描述", "버그 설명", "버그 내용", "실제 동작", "фактическое поведение", "описание ошибки", "related user story",
    "condition of satisfaction", "guide level explanation", "reference level explanation",
    "please check if the pr", "pr fulfills", "kind of change does this pr", "does this pr introduce", "new behavior", "what is the new behavior",
    "steps to verify the bug", "stacktrace", "relevant log output",
]);

/// How the line above a list says that the list is a sample (R4).
pub(super) static SAMPLE: Phrases = Phrases::of(&[
    "look like", "looks like", "like this", "like these", "like so", "e g", "for example", "for instance",
    "example format", "would contain", "such as", "por ejemplo", "por exemplo", "par exemple", "zum beispiel", "z b",
    "例如", "比如", "例えば", "예를 들어", "например",
    "if we were to", "could look like", "might look like", "would be something like", "something like", "imagine",
    "an example", "as an example", "sample", "p ej", "por ex", "p ex", "exemple", "beispielsweise", "たとえば", "例:",
    "예:", "예시", "к примеру",
]);

/// How a sentence in front of a list says that the list is to be done.
pub(super) static ANNOUNCED: Phrases = Phrases::of(&[
    "need to", "needs to", "needing to", "have to", "has to", "must", "should", "will", "want to", "going to", "plan to", "planned", "plan is",
    "required", "necessary", "remaining", "remains", "remain", "left", "missing", "pending", "to do", "following", "next", "first", "then",
    "before we", "in order to", "hay que", "tenemos que", "falta", "faltan", "debemos", "precisamos", "temos que", "faltam", "devemos",
    "il faut", "reste", "nous devons", "il manque", "mussen", "noch", "soll", "sollen", "fehlt", "必要", "する予定", "残り", "需要", "还要", "剩下", "待",
    "해야", "필요", "남은", "нужно", "надо", "осталось", "необходимо", "следует",
]);

/// States and priorities of an issue, as the name of a section.
pub(super) static STATES: Phrases = Phrases::of(&[
    "priority", "status", "severity", "focus", "prioridad", "prioridade", "priorite", "prioritat", "estado", "statut",
    "優先度", "优先级", "우선순위", "приоритет", "状態", "状态", "상태", "статус",
]);

/// Words by which an item says how things are.
pub(super) static STATED: Phrases = Phrases::of(&[
    "is", "are", "was", "were", "has", "have", "works", "work", "exists", "exist", "passes", "pass", "passed", "green",
    "can", "cannot", "no", "all", "every", "complete", "esta", "estan", "es", "sao", "funciona", "est", "sont", "ist", "sind",
]);

/// How a title tells of a fault: such a text is a report.
pub(super) static FAULTS: Phrases = Phrases::of(&[
    "bug", "bugs", "crash", "crashes", "crashed", "crashing", "error", "errors", "exception", "fails", "failing", "failed", "failure", "broken",
    "breaks", "not working", "not being", "not shown", "not showing", "not displayed", "doesn't work", "does not work", "doesn't", "does not", "don't", "isn't", "is not", "can't", "cannot", "can not",
    "unable", "wrong", "incorrect", "incorrectly", "missing", "freezes", "hangs", "stuck", "leak", "regression", "unexpected", "only possible",
    "no funciona", "falla", "nao funciona", "falha", "erro", "ne fonctionne pas", "erreur", "plante", "funktioniert nicht", "fehler", "absturz",
    "不具合", "エラー", "バグ", "動かない", "できない", "报错", "错误", "失败", "崩溃", "无法", "오류", "버그", "에러", "안 됨", "ошибк", "не работает", "падает", "сбой",
]);

/// How a sentence wishes, supposes or asks.
pub(super) static WISHED: Phrases = Phrases::of(&[
    "would", "could", "if", "might", "may", "can", "either", "wish", "ideally", "perhaps", "maybe", "it'd", "i'd", "suppose",
    "seria", "podria", "si", "poderia", "se", "pourrait", "serait", "konnte", "wurde", "ware", "wenn",
]);

/// What a pull request template offers as kinds of change.
pub(super) static CHANGE_TYPES: Phrases = Phrases::of(&[
    "bug fix", "bugfix", "new feature", "breaking change", "feature enhancement", "documentation fix",
    "documentation update", "documentation change", "code style update", "typo",
    "refactoring no functional changes", "is it a", "is this a",
]);

/// Verbs that a title starts with when it says what to do.
pub(super) static VERBS: Phrases = Phrases::of(&[
    "add", "adapt", "adjust", "adopt", "align", "allow", "analyse", "analyze", "announce", "apply",
    "assess", "attach", "audit", "automate", "backfill", "backport", "benchmark", "build", "bump", "cache",
    "capture", "change", "check", "choose", "clarify", "clean", "cleanup", "close", "collect", "compare",
    "complete", "configure", "confirm", "connect", "consolidate", "convert", "copy", "cover", "create",
    "cut", "debug", "decide", "decouple", "de-duplicate", "dedupe", "define", "delete", "deliver", "deploy",
    "deprecate", "derive", "describe", "design", "detect", "determine", "develop", "disable", "discuss",
    "display", "distribute", "document", "draft", "drop", "enable", "enforce", "enhance", "ensure",
    "establish", "evaluate", "expand", "explain", "explore", "export", "expose", "extend", "extract",
    "fetch", "figure", "fill", "finalise", "finalize", "find", "finish", "fix", "generate", "get", "give",
    "handle", "harden", "hide", "identify", "implement", "import", "improve", "include", "inform",
    "initialise", "initialize", "inline", "install", "instrument", "integrate", "introduce", "investigate",
    "keep", "land", "launch", "let", "limit", "link", "list", "load", "log", "look", "make", "manage",
    "map", "measure", "merge", "migrate", "mock", "model", "modify", "monitor", "move", "normalise",
    "normalize", "notify", "open", "optimise", "optimize", "organise", "organize", "package", "parse",
    "patch", "perform", "persist", "pin", "plan", "point", "polish", "port", "post", "prepare", "prevent",
    "profile", "promote", "prototype", "prove", "provide", "publish", "pull", "push", "put", "raise",
    "reach", "read", "rebuild", "record", "redesign", "reduce", "refactor", "refine", "register",
    "reimplement", "relax", "release", "remove", "rename", "render", "reorganise", "reorganize", "replace",
    "report", "require", "research", "resolve", "restore", "restructure", "retire", "return", "reuse",
    "review", "revise", "revisit", "rework", "rewrite", "run", "save", "schedule", "script", "secure",
    "select", "send", "separate", "serve", "set", "setup", "share", "ship", "show", "simplify", "split",
    "stabilise", "stabilize", "standardise", "standardize", "start", "stop", "store", "streamline", "strip",
    "submit", "summarise", "summarize", "support", "surface", "switch", "sync", "tag", "test", "tidy",
    "track", "train", "translate", "trim", "turn", "tweak", "unify", "update", "upgrade", "upload", "use",
    "bind", "dispatch", "emit", "freeze", "inject", "isolate", "lock", "maintain", "mark", "mount", "pause", "poll",
    "populate", "preserve", "propagate", "protect", "purge", "rebase", "reconcile", "recover", "reject", "reload",
    "repair", "reproduce", "reset", "resume", "retry", "rotate", "sanitize", "scaffold", "scan", "serialize", "sign",
    "skip", "sketch", "spawn", "specify", "stream", "stub", "swap", "throttle", "transform", "unblock", "unlock", "wait",
    "watch", "validate", "verify", "walk", "warn", "wire", "wrap", "write", "crear", "anadir", "agregar",
    "actualizar", "implementar", "eliminar", "escribir", "corregir", "configurar", "migrar", "criar",
    "adicionar", "atualizar", "remover", "escrever", "corrigir", "creer", "ajouter", "mettre", "supprimer",
    "ecrire", "corriger", "erstellen", "hinzufugen", "aktualisieren", "entfernen", "schreiben",
]);

/// Of [`VERBS`], those that are nouns or adjectives as well, and then often begin a section's name.
pub(super) static NOUNS_TOO: Phrases = Phrases::of(&[
    "audit", "benchmark", "build", "cache", "change", "check", "close", "debug", "design", "document",
    "draft", "export", "import", "land", "launch", "link", "list", "log", "map", "model", "open", "package",
    "plan", "port", "post", "profile", "prototype", "record", "release", "report", "research", "return",
    "review", "resume", "schedule", "script", "support", "surface", "switch", "tag", "test", "track", "trim", "use",
    "work",
]);

/// Words that end like a verb's form and are none at the start of a name.
pub(super) static ADJECTIVES: Phrases = Phrases::of(&[
    "testing", "pricing", "shared", "embedded", "nested", "advanced", "related", "planned", "proposed",
    "detailed", "distributed", "speed", "feed", "seed", "need", "unified", "hosted", "managed", "marketing",
    "onboarding", "networking", "routing", "logging", "monitoring", "billing", "tooling", "styling",
    "rendering", "caching", "packaging", "engineering", "nothing", "everything", "string", "learning",
    "training", "processing", "messaging", "streaming", "scheduling", "reporting", "indexing", "versioning",
    "branding", "landing", "existing", "missing", "remaining", "upcoming", "outstanding", "breaking",
    "building", "ranking", "hardening",
]);

/// Of [`WORK_ALONE`], those that a longer title may begin with (`Remaining migrations`).
pub(super) static WORK_FIRST: Phrases = Phrases::of(&[
    "steps", "roadmap", "issues", "actions", "items", "milestones", "phases", "waves", "remaining",
    "planned", "stages",
]);
