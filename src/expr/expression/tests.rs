//! The forms, modifiers and mistakes of value expressions, as tables.

use std::sync::Arc;

use jiff::tz::TimeZone;
use pretty_assertions::assert_eq;
use proptest::prelude::*;

use crate::expr::{
    Context, Engine, Expr, Fault, FaultSeg, Frame, Known, Library, Names, OnNothing, ReferenceKind, Write,
};
use crate::value::Value;

const EVENT: &str = r#"{
    "object": {"id":"in_1","amount_due":4500,"currency":"gbp","email":" A@B.c ","name":"Ada Lovelace",
               "status":"past_due","created":1782864000,"zone":"Asia/Tokyo","flag":true,"none":null,
               "lines":{"data":[{"amount":10,"id":"a"},{"amount":20,"id":"b"}]}},
    "vars": {"status":{"active":"Active","past_due":"Past Due"}}, "steps": {"account":{"id":"001"}}
}"#;

fn engine() -> Engine {
    let source = "fn shout(text) { upper(text) + \"!\" }".to_owned();
    Engine::new(&[Library { name: "lib.rhai".to_owned(), source }]).unwrap()
}

/// What the steps of these tests give.
fn gives() -> Known {
    Known { giver: "a `find`".to_owned(), keys: vec!["id", "record"], ..Known::default() }
}

fn names() -> Names {
    Names::new(["object", "now"])
        .with_keys("vars", ["status"])
        .with_steps(["account"].map(|id| (id.into(), Arc::new(gives()))), ["task".into()])
}

fn context() -> Context {
    let frame = Frame::new("2026-03-02T10:00:00Z".parse().unwrap(), TimeZone::UTC);
    Context::new(Value::from_json(EVENT.as_bytes()).unwrap(), frame)
}

fn read(written: &str) -> Result<Expr, Vec<Fault>> {
    engine().expression(&Value::from_json(written.as_bytes()).unwrap(), &names())
}

fn told(fault: &Fault) -> String {
    let path = fault.path.iter().map(|seg| match seg {
        FaultSeg::Key(key) => format!(".{key}"),
        FaultSeg::Index(index) => format!("[{index}]"),
    });
    let within =
        fault.within.as_ref().map_or(String::new(), |range| format!("<{}..{}>", range.start, range.end));
    let help = fault.help.as_deref().map_or(String::new(), |help| format!("; {help}"));
    format!("{:?} {}{within}: {}{help}", fault.kind, path.collect::<String>(), fault.message)
}

/// The value of what was written (as JSON), or what is wrong with it.
fn value(written: &str) -> String {
    match read(written) {
        Err(faults) => faults.iter().map(told).collect::<Vec<_>>().join("\n"),
        Ok(expr) => match expr.eval(&context()) {
            Ok(value) => value.to_json(),
            Err(error) => format!("error: {error}"),
        },
    }
}

fn table(cases: &[(&str, &str)]) {
    for (written, expected) in cases {
        assert_eq!(value(written), *expected, "{written}");
    }
}

#[test]
fn each_form_has_its_value() {
    table(&[
        (r#""High""#, r#""High""#),
        ("12", "12"),
        ("4.50", "4.50"),
        ("true", "true"),
        (r#""$.object.id""#, r#""in_1""#),
        (r#""$.object.missing""#, "null"),
        (r#""$.object.lines.data[*].id""#, r#"["a","b"]"#),
        (r#""${object.amount_due}""#, "4500"),
        (r#""${object.lines.data}""#, r#"[{"amount":10,"id":"a"},{"amount":20,"id":"b"}]"#),
        (
            r#""Paid ${money(object.amount_due, object.currency)} ${upper(object.currency)}""#,
            r#""Paid 45.00 GBP""#,
        ),
        (r#""<${object.missing}>""#, r#""<>""#),
        (r#""${object.id} ${ #{ a: 1 }.a } ${\"}\"}""#, r#""in_1 1 }""#),
        (r#"{"from":"$.object.id"}"#, r#""in_1""#),
        (r#"{"from":["$.object.missing","$.object.id","never"]}"#, r#""in_1""#),
        (r#"{"from":["$.object.missing","$.object.none"]}"#, "null"),
        (r#"{"script":"let x = 2; x * 3"}"#, "6"),
        (
            r#"{"each":"$.object.lines.data","as":"line","give":{"n":"$.line.amount"}}"#,
            r#"[{"n":10},{"n":20}]"#,
        ),
        (r#"{"each":"$.object.missing","as":"line","give":"$.line.id"}"#, "null"),
        (r#"{"each":"$.object.lines.data","as":"l","give":"${l.amount * 2}"}"#, "[20,40]"),
        (r#"{"each":"$.object.id","as":"l","give":"$.l"}"#, "error: `each` needs a list, not text"),
        (r#"{"literal":"$5 ${x}"}"#, r#""$5 ${x}""#),
        (r#"{"literal":""}"#, r#""""#),
        (r#"{"literal":{"from":1}}"#, r#"{"from":1}"#),
        (r#"{"a":"$.object.id","b":["x","$.object.missing",{"c":1}]}"#, r#"{"a":"in_1","b":["x",{"c":1}]}"#),
        (r#"{"a":"$.object.missing"}"#, "{}"),
        (r#"{"payload":{"from":"$.object.id","each":1}}"#, r#"{"from":"in_1","each":1}"#),
        (r#"{"payload":["$.object.id"]}"#, r#"["in_1"]"#),
        (r#"{"from":{"from":"$.object.email","transform":"trim"},"transform":"lower"}"#, r#""a@b.c""#),
    ]);
}

#[test]
fn modifiers_are_applied_in_their_order() {
    table(&[
        (r#"{"from":"$.object.email","transform":["trim","lower"]}"#, r#""a@b.c""#),
        (r#"{"from":"$.object.name","transform":"last_name"}"#, r#""Lovelace""#),
        (r#"{"from":"$.object.name","transform":["first_name","shout"]}"#, r#""ADA!""#),
        (r#"{"from":"$.object.amount_due","money":"$.object.currency"}"#, "45.00"),
        (r#"{"from":"$.object.amount_due","money":"jpy"}"#, "4500"),
        (r#"{"script":"object.amount_due * 2","money":"${object.currency}"}"#, "90.00"),
        (r#"{"literal":45.00,"minor":"gbp"}"#, "4500"),
        (r#"{"from":"$.object.created","datetime":"date"}"#, r#""2026-07-01""#),
        (
            r#"{"from":"$.object.created","datetime":"iso8601","zone":"Europe/Berlin"}"#,
            r#""2026-07-01T02:00:00+02:00""#,
        ),
        (r#"{"from":"$.object.created","datetime":"%H:%M","zone":"$.object.zone"}"#, r#""09:00""#),
        (r#"{"from":"$.object.status","map":"$.vars.status"}"#, r#""Past Due""#),
        (r#"{"from":"$.object.status","map":{"active":1,"*":2}}"#, "2"),
        (r#"{"from":"$.object.flag","map":{"true":"Yes","false":"No"}}"#, r#""Yes""#),
        (r#"{"from":"$.object.name","truncate":5}"#, r#""Ada L""#),
        (r#"{"from":"$.object.missing","default":"none"}"#, r#""none""#),
        (
            r#"{"from":"$.object.missing","money":"gbp","transform":"trim","default":"${today()}"}"#,
            r#""2026-03-02""#,
        ),
        (r#"{"from":"$.object.missing","map":{"*":"Other"}}"#, "null"),
        (r#"{"from":"$.object.id","required":true}"#, r#""in_1""#),
        (r#"{"script":"mrr(object.missing)","money":"$.object.currency"}"#, "null"),
    ]);
}

#[test]
fn what_the_data_does_not_fit_is_said() {
    table(&[
        (
            r#"{"from":"$.object.missing","required":true}"#,
            "error: a value is required, and `$.object.missing` gave nothing",
        ),
        (r#"{"from":"$.object.id","map":{"a":1,"b":2}}"#, "error: `in_1` is not in the map (a, b)"),
        (
            r#"{"from":"$.object.id","map":{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7}}"#,
            "error: `in_1` is not in the map (a, b, c, d, e, f, ...)",
        ),
        (r#"{"from":"$.object.lines","map":{"a":1}}"#, "error: a map looks up single values, not a map"),
        (
            r#"{"from":"$.object.id","map":"$.object.id"}"#,
            "error: `$.object.id` should be a map of values, and is text",
        ),
        (r#"{"from":"$.object.id","money":"gbp"}"#, "error: money: `in_1` is not a number"),
        (r#"{"from":"$.object.amount_due","money":"$.object.missing"}"#, "error: the currency is nothing"),
        (r#"{"from":"$.object.id","datetime":"date"}"#, "error: datetime: `in_1` is not a time of ISO 8601"),
        (r#"{"from":"$.object.lines","truncate":3}"#, "error: truncate needs text, not a map"),
        (r#"{"from":"$.object.lines","transform":"trim"}"#, "error: trim needs text, not a map"),
        (
            r#"{"from":"$.object.created","datetime":"date","zone":"$.object.id"}"#,
            "error: `in_1` is not an IANA time zone such as Europe/London or UTC",
        ),
        (r#""${object.missing < 1}""#, "error: nothing and an integer have no order"),
    ]);
}

#[test]
fn mistakes_are_found_with_their_places() {
    table(&[
        (
            r#""""#,
            "BlankValue : the value is blank; leave the key out, or write `{ literal: \"\" }` if an empty text is meant",
        ),
        (
            r#"{"a":null}"#,
            "BlankValue .a: the value is blank; leave the key out, or write `{ literal: \"\" }` if an empty text is meant",
        ),
        (
            r#""$5""#,
            "PathSyntax <1..2>: `5` cannot stand here in a JSONPath; if the text is meant as it is, write `{ literal: ... }`",
        ),
        (
            r#""$.data.object.id""#,
            "UnknownVariable <2..6>: `data` is not known here; the event's `data.object` is `object` here, whole and on its own",
        ),
        (r#""$.objct.id""#, "UnknownVariable <2..7>: `objct` is not known here; did you mean `object`?"),
        (
            r#""$.steps.acount.id""#,
            "UnknownStep <8..14>: no step has the id `acount`; did you mean `account`?",
        ),
        (r#""$.vars.statuz""#, "UnknownVariable <7..13>: `statuz` is not in `vars`; did you mean `status`?"),
        (r#""a ${objct.id}""#, "UnknownVariable <4..9>: `objct` is not known here; did you mean `object`?"),
        (
            r#""a ${b""#,
            "TemplateSyntax <2..4>: `${` is never closed; close it with `}`, or write `{ literal: ... }` if the text is meant as it is",
        ),
        (r#""a ${} b""#, "BlankValue <4..4>: the script is empty"),
        (
            r#"{"script":"mony(1)"}"#,
            "UnknownFunction .script<0..4>: there is no function `mony`; did you mean `money`?",
        ),
        (r#"{"script":1}"#, "BadForm .script: a script is text, not an integer"),
        (
            r#"{"from":"$.object.id","mony":"gbp"}"#,
            "UnknownModifier .mony: `mony` is not a modifier of `from`; did you mean `money`?",
        ),
        (
            r#"{"from":"$.object.id","transform":"toLowerCase"}"#,
            "BadTransform .transform: there is no function `toLowerCase`; write `lower`",
        ),
        (
            r#"{"from":"$.object.id","transform":"trm"}"#,
            "BadTransform .transform: there is no function `trm`; did you mean `trim`?",
        ),
        (
            r#"{"from":"$.object.id","transform":["trim","shot"]}"#,
            "BadTransform .transform[1]: there is no function `shot`; did you mean `shout`?",
        ),
        (
            r#"{"from":"$.object.id","transform":"money"}"#,
            "BadTransform .transform: `money` is not a function of one value; call it in a script: `${money(...)}`",
        ),
        (
            r#"{"from":"$.object.id","money":"gpb"}"#,
            "ModifierValue .money: `gpb` is not a currency, did you mean `gbp`?",
        ),
        (
            r#"{"from":"$.object.id","datetime":"iso"}"#,
            "ModifierValue .datetime: `datetime` is iso8601, date, unix or a pattern such as %d.%m.%Y",
        ),
        (
            r#"{"from":"$.object.id","datetime":"date","zone":"Europe/Londn"}"#,
            "ModifierValue .zone: `Europe/Londn` is not an IANA time zone: did you mean `Europe/London`?",
        ),
        (
            r#"{"from":"$.object.id","zone":"UTC"}"#,
            "ModifierClash .zone: `zone` says where `datetime` is told, and there is none",
        ),
        (
            r#"{"from":"$.object.id","map":"active"}"#,
            "BadMap .map: `map` is a table of values, or the path of one; write `map: { active: Active, \"*\": Other }` or `map: $.vars.status`",
        ),
        (
            r#"{"from":"$.object.id","map":"$.vars.statuz"}"#,
            "UnknownVariable .map<7..13>: `statuz` is not in `vars`; did you mean `status`?",
        ),
        (
            r#"{"from":"$.object.id","truncate":0}"#,
            "ModifierValue .truncate: `truncate` is the greatest number of characters: a whole number above 0",
        ),
        (
            r#"{"from":"$.object.id","required":"yes"}"#,
            "ModifierValue .required: `required` is true or false, not text",
        ),
        (
            r#"{"from":"$.object.id","write":"oncreate"}"#,
            "ModifierValue .write: `write` is one of always, on_create, if_empty; did you mean `on_create`?",
        ),
        (
            r#"{"from":"$.object.id","money":"gbp","map":{"a":1}}"#,
            "ModifierClash .map: `map` cannot stand beside `money`: a value has one conversion",
        ),
        (
            r#"{"a":{"from":"$.object.id","write":"always"}}"#,
            "ModifierClash .a.write: `write` belongs to a field, not to a part of its value",
        ),
        (
            r#"{"from":"$.object.id","script":"1"}"#,
            "BadForm : `from` and `script` make different forms of a value; keep one of them, or put a payload with such keys under `payload:`",
        ),
        (
            r#"{"form":"$.object.id","money":"gbp"}"#,
            "UnknownModifier : `form` is not a form of a value; did you mean `from`? (`payload: {...}` if it is a key of your own)",
        ),
        (
            r#"{"each":"$.object.lines.data","as":"line"}"#,
            "BadForm : `each` needs `give`: the value for one item; write `{ each: $.object.lines.data, as: line, give: $.line.id }`",
        ),
        (
            r#"{"each":"$.object.lines.data","as":"let","give":"x"}"#,
            "ReservedName .as: `let` cannot be a name: scripts could not use it; use letters, digits and `_`, and no word of Rhai",
        ),
        (
            r#"{"each":"$.object.lines.data","as":"l","give":"$.line.id"}"#,
            "UnknownVariable .give<2..6>: `line` is not known here; known here: l, now, object, steps, vars",
        ),
    ]);
}

#[test]
fn all_mistakes_are_found_at_once() {
    assert_eq!(
        value(r#"{"a":"$.x.id","b":["${mony(1)}",{"from":"$.object.id","trunc":1}]}"#),
        "UnknownVariable .a<2..3>: `x` is not known here; known here: now, object, steps, vars\n\
         UnknownFunction .b[0]<2..6>: there is no function `mony`; did you mean `money`?\n\
         UnknownModifier .b[1].trunc: `trunc` is not a modifier of `from`; put a payload with such keys under `payload:`"
    );
}

#[test]
fn policies_stand_beside_the_value() {
    let expr = read(r#"{"from":"$.object.id","write":"if_empty","nothing":"clear"}"#).unwrap();
    assert_eq!((expr.write(), expr.on_nothing()), (Write::IfEmpty, OnNothing::Clear));
    let expr = read(r#""High""#).unwrap();
    assert_eq!((expr.write(), expr.on_nothing()), (Write::Always, OnNothing::Leave));
}

#[test]
fn constants_are_known() {
    for constant in [r#""High""#, "12", r#"{"a":["b",1]}"#, r#"{"literal":"$x"}"#] {
        assert!(read(constant).unwrap().is_constant(), "{constant}");
    }
    for other in [r#""$.object.id""#, r#""${today()}""#, r#"{"a":"$.object.id"}"#] {
        assert!(!read(other).unwrap().is_constant(), "{other}");
    }
}

#[test]
fn references_are_found_in_paths_and_scripts() {
    let written = r#"{"a":"Hi ${object.name} ${object.id}","b":{"from":["$.object.lines.data[*].id"],"map":"$.vars.status"}}"#;
    let expr = read(written).unwrap();
    let told = expr.references().iter().map(|reference| {
        let kind = if reference.kind == ReferenceKind::Rhai { "rhai" } else { "path" };
        format!("{kind} {} {:?} {:?}", reference.path_text(), reference.path.first(), reference.range)
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            r#"rhai object.name Some(Key("a")) 5..16"#,
            r#"rhai object.id Some(Key("a")) 20..29"#,
            r#"path object.lines.data[*].id Some(Key("b")) 0..25"#,
            r#"path vars.status Some(Key("b")) 0..13"#,
        ]
    );
    let each = read(r#"{"each":"$.object.lines.data","as":"l","give":"$.l.id"}"#).unwrap();
    let whole = each.references().iter().map(|reference| (reference.path_text(), reference.whole));
    assert_eq!(
        whole.collect::<Vec<_>>(),
        [("object.lines.data".to_owned(), true), ("l.id".to_owned(), false)]
    );
}

#[test]
fn a_trace_tells_the_way_of_a_value() {
    let expr = read(r#"{"from":"$.object.amount_due","money":"$.object.currency","default":0}"#).unwrap();
    let trace = expr.trace(&context());
    let reads = trace.reads.iter().map(|(path, value)| format!("{path} = {}", value.to_json()));
    assert_eq!(reads.collect::<Vec<_>>(), ["object.amount_due = 4500", "object.currency = \"gbp\""]);
    let steps = trace.steps.iter().map(|step| format!("{}: {}", step.name, step.value));
    assert_eq!(steps.collect::<Vec<_>>(), ["value: 4500", "money: 45.00"]);
    assert_eq!(trace.source, "$.object.amount_due");
    assert_eq!(trace.result.unwrap().to_string(), "45.00");
}

#[test]
fn conditions_explain_themselves() {
    let condition = engine().condition("object.amount_due > 0 && object.missing == ()", &names()).unwrap();
    assert_eq!(condition.eval(&context()), Ok(true));
    let explained = condition.explain(&context());
    let told = explained.iter().map(|(path, value)| format!("{path} = {}", value.to_json()));
    assert_eq!(told.collect::<Vec<_>>(), ["object.amount_due = 4500", "object.missing = null"]);
}

#[test]
fn a_library_with_mistakes_is_told_by_its_name() {
    let source = "fn a(x) { y }\nlet z = 1;\nfn b() { mony(1) }".to_owned();
    let faults = Engine::new(&[Library { name: "lib.rhai".to_owned(), source }]).unwrap_err();
    let mut told = faults.iter().map(told).collect::<Vec<_>>();
    told.sort();
    assert_eq!(
        told,
        [
            "ScriptSyntax .lib.rhai<14..17>: a library holds functions only (`fn name(argument) { ... }`)",
            "UnknownFunction .lib.rhai<34..38>: there is no function `mony`; did you mean `money`?",
            "UnknownVariable .lib.rhai<10..11>: `y` is not known here; a function sees its arguments only: pass it in",
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_makes_the_engine_panic(text in r#"[a-z0-9 $.\[\]{}()"'`*?@|&<>=+\\é,:;!#/-]{0,30}"#) {
        let engine = Engine::new(&[]).unwrap();
        for written in [text.clone(), format!("${{{text}}}"), format!("$.{text}"), format!("a ${{object.{text}}} b")] {
            if let Ok(expr) = engine.expression(&Value::from(written), &names()) {
                // Whether it fails is the text's affair; that it ends is ours.
                let _ = expr.trace(&context());
            }
        }
    }
}
