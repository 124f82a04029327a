//! What scripts can do and cannot, as tables.

use std::sync::Arc;

use jiff::tz::TimeZone;
use pretty_assertions::assert_eq;

use super::{Library, Program, Runtime};
use crate::expr::context::{Context, Frame};
use crate::expr::known::Known;
use crate::expr::names::Names;
use crate::value::Value;

const EVENT: &str = r#"{
    "object": {"id":"in_1","amount_due":4500,"currency":"gbp","rate":0.5,"email":"A@B.c","none":null,"paid":false,
               "lines":{"data":[{"amount":10,"kind":"a"},{"amount":20,"kind":"b"}]}, "metadata":{"plan":"gold"}},
    "previous": {"items":{"data":[]},"status":"active"}, "vars": {"n":3}, "steps": {"account":{"id":"001"}}
}"#;

fn runtime() -> Arc<Runtime> {
    let source = "fn double(x) { x * 2 }\nfn deep(n) { if n == 0 { 0 } else { deep(n - 1) } }".to_owned();
    Arc::new(Runtime::new(&[Library { name: "lib.rhai".to_owned(), source }]).unwrap())
}

/// What the steps of these tests give.
fn gives() -> Known {
    Known { giver: "a `find`".to_owned(), keys: vec!["id", "record"], ..Known::default() }
}

fn names() -> Names {
    Names::new(["object", "previous", "now"])
        .with_keys("vars", ["n"])
        .with_steps(["account", "nothing_yet"].map(|id| (id.into(), Arc::new(gives()))), ["task".into()])
}

fn context() -> Context {
    let frame = Frame::new("2026-03-02T10:00:00Z".parse().unwrap(), TimeZone::UTC);
    Context::new(Value::from_json(EVENT.as_bytes()).unwrap(), frame)
}

/// What a script gives, as JSON, or what is wrong with it.
fn run(source: &str) -> String {
    match Program::compile(&runtime(), source, &names()) {
        Err(faults) => faults
            .iter()
            .map(|fault| {
                let at = fault.within.clone().map_or("", |range| &source[range]);
                let help = fault.help.as_deref().map_or(String::new(), |help| format!("; {help}"));
                format!("{:?} <{at}> {}{help}", fault.kind, fault.message)
            })
            .collect::<Vec<_>>()
            .join("\n"),
        Ok(program) => match program.eval(&context()) {
            Ok(value) => value.to_json(),
            Err(error) => format!("error: {error}"),
        },
    }
}

fn table(cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        assert_eq!(run(source), *expected, "{source}");
    }
}

#[test]
fn the_context_is_read() {
    table(&[
        ("object.amount_due", "4500"),
        ("object[\"amount_due\"]", "4500"),
        ("object.metadata.plan", "\"gold\""),
        ("object.lines.data[1].amount", "20"),
        ("object.lines.data[-1].kind", "\"b\""),
        ("object.metadata", r#"{"plan":"gold"}"#),
        ("object.metadata.keys()", r#"["plan"]"#),
        ("object.metadata.len()", "1"),
        ("steps.account.id", "\"001\""),
        ("\"items\" in previous", "true"),
        ("\"email\" in previous", "false"),
        ("changed(\"items\") && !changed(\"email\")", "true"),
        ("now - 60 < now", "true"),
        ("let key = \"id\"; object[key]", "\"in_1\""),
    ]);
}

#[test]
fn reading_anything_of_nothing_gives_nothing() {
    table(&[
        ("object.missing", "null"),
        ("object.a.b.c", "null"),
        ("object.none.b[0].c", "null"),
        ("object.lines.data[7].amount", "null"),
        ("object.missing.len()", "0"),
        ("object.missing.some(|x| x.id == 1)", "false"),
        ("object.missing.filter(|x| true)", "[]"),
        ("\"x\" in object.missing", "false"),
        ("let n = 0; for x in object.missing { n += 1; } n", "0"),
        ("object.missing ?? \"x\"", "\"x\""),
        ("object.missing == ()", "true"),
        ("object.none == object.missing", "true"),
    ]);
}

#[test]
fn a_part_of_what_has_no_parts_is_an_error() {
    table(&[
        ("object.email.host", "error: text has no `host`"),
        ("object.amount_due.x", "error: an integer has no `x`"),
    ]);
}

#[test]
fn lists_have_their_methods() {
    table(&[
        ("object.lines.data.map(|l| l.amount)", "[10,20]"),
        ("object.lines.data.filter(|l| l.amount > 10).len()", "1"),
        ("object.lines.data.some(|l| l.kind == \"b\")", "true"),
        ("object.lines.data.all(|l| l.amount > 5)", "true"),
        ("object.lines.data.find(|l| l.kind == \"b\").amount", "20"),
        ("object.lines.data.reduce(|sum, l| sum + l.amount, 0)", "30"),
        ("sum(object.lines.data.map(|l| l.amount))", "30"),
        ("let n = 0; for l in object.lines.data { n += l.amount; } n", "30"),
        ("object.lines.data.filter(|l| l.amount >= vars.n * 5).map(|l| l.kind)", r#"["b"]"#),
        ("object.currency in [\"gbp\", \"eur\"]", "true"),
        ("join(object.lines.data.map(|l| l.kind), \"+\")", "\"a+b\""),
    ]);
}

#[test]
fn a_closure_reads_the_very_name_whose_method_is_called() {
    table(&[
        ("object.lines.data.some(|l| l.amount == object.lines.data[1].amount)", "true"),
        ("object.lines.data.filter(|l| l.amount > object.lines.data[0].amount).map(|l| l.kind)", r#"["b"]"#),
        ("object.lines.data.map(|l| object.lines.data.filter(|o| o.amount < l.amount).len())", "[0,1]"),
        (
            "let least = object.lines.data[1]; object.lines.data.find(|l| l.amount >= least.amount).kind",
            "\"b\"",
        ),
        (
            "let n = 0; for l in object.lines.data { if object.lines.data.some(|o| o.kind != l.kind) { n += 1; } } n",
            "2",
        ),
    ]);
}

#[test]
fn a_variable_of_the_script_s_own_comes_before_a_name_of_the_context() {
    table(&[
        ("let object = 7; object + 1", "8"),
        ("[1, 2].map(|object| object * 10)", "[10,20]"),
        ("let seen = []; for object in [1, 2] { seen += [object]; } seen", "[1,2]"),
        ("fn twice(object) { object * 2 } twice(4)", "8"),
        ("let object = 3; [1, 5].filter(|n| n > object)", "[5]"),
        ("{ let object = 1; } object.currency", "\"gbp\""),
        ("let seen = 0; try { throw 5; } catch (object) { seen = object; } seen", "5"),
    ]);
}

#[test]
fn numbers_are_exact_and_mix() {
    table(&[
        ("0.1 + 0.2", "0.3"),
        ("0.1 + 0.2 == 0.3", "true"),
        ("object.amount_due / 100", "45"),
        ("4550 / 100", "45.5"),
        ("7 / 2 * 2", "7.0"),
        ("7 % 2", "1"),
        ("object.rate * 3", "1.5"),
        ("1 == 1.0", "true"),
        ("2 > 1.5 && 1.5 < 2", "true"),
        ("9223372036854775807 + 1", "9223372036854775808"),
        ("let x = 5; x /= 2; x", "2.5"),
        ("let x = 5; x += 0.5; x -= 1; x *= 2; x", "9.0"),
        ("-object.amount_due", "-4500"),
        ("abs(-2.5)", "2.5"),
        ("min(1, 0.5)", "0.5"),
        ("max(1, 2)", "2"),
        ("(7 / 2).floor()", "3"),
        ("1 / 0", "error: a number was divided by zero"),
        ("1 % 0", "error: a number was divided by zero"),
    ]);
}

#[test]
fn unlike_types_are_unequal_and_have_no_order() {
    table(&[
        ("object.id == 1", "false"),
        ("object.id != 1", "true"),
        ("object.missing == 1", "false"),
        ("object.missing < 1", "error: nothing and an integer have no order"),
        ("1 >= object.missing", "error: an integer and nothing have no order"),
        ("object.id > 1", "error: text and an integer have no order"),
        ("object.missing < object.missing", "error: nothing and nothing have no order"),
        ("\"a\" < \"b\"", "true"),
        ("object.metadata == #{ plan: \"gold\" }", "true"),
        ("[1, 2.0] == [1.0, 2]", "true"),
        ("object.missing + 1", "error: nothing and an integer cannot be added"),
        ("object.missing * 2", "error: nothing and an integer cannot be multiplied"),
        ("!object.missing", "error: `!` needs true or false, and this is nothing"),
        ("object.missing && true", "error: true or false is needed here, and this is nothing"),
        ("-object.id", "error: `-` needs a number, and this is text"),
    ]);
}

#[test]
fn texts_are_joined_plainly() {
    table(&[
        ("\"n: \" + 4.50", "\"n: 4.50\""),
        ("\"n: \" + object.missing + \"!\"", "\"n: !\""),
        ("`${object.id}: ${object.rate} ${object.none}`", "\"in_1: 0.5 \""),
        ("let t = \"a\"; t += \"b\"; t", "\"ab\""),
        ("object.email.to_lower()", "\"a@b.c\""),
        ("trim(\"  x \")", "\"x\""),
        ("\" x \".trim()", "\"x\""),
        ("lower(object.email)", "\"a@b.c\""),
        ("object.email.contains(\"@\")", "true"),
        ("split(\"a;b\", \";\")", r#"["a","b"]"#),
    ]);
}

#[test]
fn functions_work_in_scripts() {
    table(&[
        ("money(object.amount_due, object.currency)", "45.00"),
        ("money(object.missing, object.currency)", "null"),
        ("minor(45.00, \"gbp\")", "4500"),
        ("today()", "\"2026-03-02\""),
        ("date(1782864000)", "\"2026-07-01\""),
        ("datetime(now, \"iso8601\")", "\"2026-03-02T10:00:00Z\""),
        ("datetime(now, \"%H:%M\", \"Asia/Tokyo\")", "\"19:00\""),
        ("first_name(\"Ada Lovelace\") + \"/\" + last_name(\"Ada Lovelace\")", "\"Ada/Lovelace\""),
        ("digits(\"+44 20\")", "\"4420\""),
        ("double(21)", "42"),
        ("object.lines.data.map(|l| double(l.amount))", "[20,40]"),
        ("money(1, \"xxx\")", "error: `xxx` is not a currency"),
    ]);
}

#[test]
fn unknown_names_are_found_with_their_places() {
    table(&[
        ("objct.id", "UnknownVariable <objct> `objct` is not known here; did you mean `object`?"),
        ("vars.m", "UnknownVariable <m> `m` is not in `vars`; did you mean `n`?"),
        ("steps.acount.id", "UnknownStep <acount> no step has the id `acount`; did you mean `account`?"),
        (
            "steps.task.id",
            "LaterStep <task> the step `task` has not run yet here; move the step that reads it below the step that gives it",
        ),
        ("mony(1, \"gbp\")", "UnknownFunction <mony> there is no function `mony`; did you mean `money`?"),
        ("money(1)", "WrongArguments <money> `money` takes 2 arguments, not 1"),
        ("object.id.lowr()", "UnknownFunction <lowr> there is no function `lowr`; did you mean `lower`?"),
        (
            "object.lines.data.some(|l| l.id == objct.id)",
            "UnknownVariable <objct> `objct` is not known here; did you mean `object`?",
        ),
        (
            "[1].map(|x| x + y)",
            "UnknownVariable <y> `y` is not known here; known here: now, object, previous, steps, vars",
        ),
        (
            "if true { a } else { mony(1) }",
            "UnknownVariable <a> `a` is not known here; known here: now, object, previous, steps, vars\nUnknownFunction <mony> there is no function `mony`; did you mean `money`?",
        ),
        (
            "object.status = \"x\"",
            "ScriptSyntax <object> `object` cannot be changed; compare with `==`, or keep a value of your own with `let`",
        ),
        (
            "previous[\"x\"].y == foo",
            "UnknownVariable <foo> `foo` is not known here; known here: now, object, previous, steps, vars",
        ),
        ("  ", "BlankValue <> the script is empty"),
    ]);
}

#[test]
fn what_scripts_define_is_known() {
    table(&[
        ("let x = 1; let f = |y| x + y; f.call(2)", "3"),
        ("fn twice(a) { a * 2 } twice(4)", "8"),
        ("let a = [3, 1, 2]; a.sort(); a", "[1,2,3]"),
        ("let r = (); try { throw \"x\" } catch (e) { r = e; } r", "\"x\""),
        ("switch object.currency { \"gbp\" => 1, _ => 2 }", "1"),
        ("for (x, i) in [5, 6] { if i == 1 { return x; } }", "6"),
        ("let m = #{ a: 1 }; m.b = 2; m", r#"{"a":1,"b":2}"#),
    ]);
}

#[test]
fn syntax_errors_have_a_place() {
    assert!(run("object.id ==").starts_with("ScriptSyntax <>"), "{}", run("object.id =="));
    assert!(run("object.id === 1").starts_with("ScriptSyntax"), "{}", run("object.id === 1"));
    assert!(run("(1").starts_with("ScriptSyntax"), "{}", run("(1"));
    assert!(run("eval(\"1\")").contains("eval"), "{}", run("eval(\"1\")"));
    assert!(run("sleep(5)").starts_with("UnknownFunction <sleep>"), "{}", run("sleep(5)"));
    assert!(
        run("import \"x\" as y;").starts_with("ReservedName")
            || run("import \"x\" as y;").starts_with("ScriptSyntax")
    );
}

#[test]
fn scripts_are_stopped() {
    let stopped = |source: &str, why: &str| {
        let said = run(source);
        assert!(said.starts_with("error: the script was stopped") && said.contains(why), "{source}: {said}");
    };
    stopped("loop {}", "operations");
    stopped("while true { let x = 1; }", "operations");
    stopped("fn f(n) { f(n + 1) } f(0)", "deep");
    stopped("deep(100)", "deep");
    stopped("let s = \"x\"; loop { s += s; }", "a text in it is longer than 64 KB");
    stopped(
        "let a = [1]; loop { a += a; }",
        "a list that it reads or makes has more than 1000 items, the most that a script can hold",
    );
    stopped(
        "let a = []; for i in 0..5000 { a.push(i); } a.len()",
        "a list that it reads or makes has more than 1000 items, the most that a script can hold",
    );
    stopped(
        "let a = []; a.pad(100000, 0); a",
        "a list that it reads or makes has more than 1000 items, the most that a script can hold",
    );
    stopped("let m = #{}; for i in 0..2000 { m[`k${i}`] = i; } m", "operations");
    stopped("let a = []; a.pad(900, 1); loop { a.sort(|x, y| 1); }", "");
}

#[test]
fn errors_name_the_line_of_longer_scripts() {
    assert_eq!(
        run("let a = 1;\nlet b = 2;\na < object.missing"),
        "error: an integer and nothing have no order (line 3 of the script)"
    );
    assert_eq!(run("throw \"no plan\""), "error: no plan");
}

#[test]
fn a_condition_must_be_true_or_false() {
    let program = Program::compile(&runtime(), "object.paid", &names()).unwrap();
    assert_eq!(program.holds(&context()), Ok(false));
    let program = Program::compile(&runtime(), "object.missing", &names()).unwrap();
    let error = program.holds(&context()).unwrap_err().to_string();
    assert_eq!(error, "a condition must be true or false, and this one gave nothing");
}

#[test]
fn references_are_the_paths_that_are_read() {
    let references = |source: &str| {
        let program = Program::compile(&runtime(), source, &names()).unwrap();
        let mut list = program
            .references()
            .iter()
            .map(|reference| {
                let whole = if reference.whole { "!" } else { "" };
                format!("{}{whole} <{}>", reference.path_text(), &source[reference.range.clone()])
            })
            .collect::<Vec<_>>();
        list.sort();
        list
    };
    assert_eq!(
        references("object.amount_due > 1 && previous[\"items\"].x == vars.n"),
        [
            "object.amount_due <object.amount_due>",
            "previous.items.x <previous[\"items\"].x>",
            "vars.n <vars.n>"
        ]
    );
    assert_eq!(references("mrr(object)"), ["object! <object>"]);
    assert_eq!(
        references("money(object.amount_due, object.currency)"),
        ["object.amount_due <object.amount_due>", "object.currency <object.currency>"]
    );
    assert_eq!(
        references("object.lines.data.some(|l| l.id == object.id)"),
        ["object.id <object.id>", "object.lines.data! <object.lines.data>"]
    );
    assert_eq!(
        references("let i = 0; object.lines.data[i].amount + object.lines.data[0].amount"),
        [
            "object.lines.data[*].amount <object.lines.data[i].amount>",
            "object.lines.data[0].amount <object.lines.data[0].amount>"
        ]
    );
    assert_eq!(references("`${object.id}`"), ["object.id <object.id>"]);
}

#[test]
fn words_that_rhai_does_not_use_are_names_like_any_other() {
    table(&[
        ("let with = #{ new: 1, default: 2, match: 3 }; with.new + with.default + with.match", "6"),
        ("let go = true; go", "true"),
    ]);
}
