//! What terms are made of expressions, and where they stand.

use pretty_assertions::assert_eq;

use super::{Conversion, Table, Term, What};
use crate::expr::{Engine, FaultSeg, Names};
use crate::value::Value;

fn names() -> Names {
    Names::new(["object", "steps", "vars", "event", "set"])
}

fn engine() -> Engine {
    Engine::new(&[]).unwrap()
}

fn list(terms: &[Term]) -> String {
    terms.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// A term, shortly.
fn shown(term: &Term) -> String {
    match &term.what {
        What::Literal(value) => value.to_json(),
        What::Name(name) => name.to_string(),
        What::Member { of, key } => format!("{}.{key}", shown(of)),
        What::Element { of, index } => format!("{}[{}]", shown(of), shown(index)),
        What::Children(of) => format!("{}[*]", shown(of)),
        What::Filtered { of, condition } => format!("{}[?{}]", shown(of), shown(condition)),
        What::Descendants(of) => format!("{}..", shown(of)),
        What::Nodes(of) => format!("nodes({})", shown(of)),
        What::Text(parts) => format!("text({})", list(parts)),
        What::First(parts) => format!("first({})", list(parts)),
        What::Each { over, name, give } => format!("each({}, {name} => {})", shown(over), shown(give)),
        What::List(items) => format!("[{}]", list(items)),
        What::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{key}: {}", shown(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        What::Call { name, args } => format!("{name}({})", list(args)),
        What::And(parts) => format!("and({})", list(parts)),
        What::Or(parts) => format!("or({})", list(parts)),
        What::If { condition, then, otherwise } => {
            let otherwise = otherwise.iter().map(|it| shown(it));
            let branches: Vec<String> = [shown(then)].into_iter().chain(otherwise).collect();
            format!("if({}, {})", shown(condition), branches.join(", "))
        }
        What::Block(statements) => format!("block({})", list(statements)),
        What::Let { name, value } => format!("let({name}, {})", shown(value)),
        What::Assign { name, value } => format!("assign({name}, {})", shown(value)),
        What::For { name, over, body } => format!("for({name}, {}, {})", shown(over), shown(body)),
        What::Switch { on, cases } => format!("switch({}, {})", shown(on), list(cases)),
        What::Return(value) => format!("return({})", value.iter().map(|it| shown(it)).collect::<String>()),
        What::Closure { parameters, body } => format!("|{}| {}", parameters.join(", "), shown(body)),
        What::Changed { of, by } => {
            let mut text = shown(of);
            for function in &by.transform {
                text = format!("{text} > {function}");
            }
            if let Some((_, conversion)) = &by.conversion {
                text = match conversion {
                    Conversion::Money(currency) => format!("{text} > money({})", shown(currency)),
                    Conversion::Minor(currency) => format!("{text} > minor({})", shown(currency)),
                    Conversion::Datetime { form, zone } => {
                        format!("{text} > {form:?}({})", zone.iter().map(|it| shown(it)).collect::<String>())
                    }
                    Conversion::Table(Table::Fixed(entries)) => {
                        format!("{text} > table of {}", entries.len())
                    }
                    Conversion::Table(Table::Read(path)) => format!("{text} > table {}", shown(path)),
                    Conversion::Truncate(length) => format!("{text} > truncate({length})"),
                };
            }
            let default = by.default.iter().map(|it| format!(" > default({})", shown(it)));
            let required = if by.required { " > required" } else { "" };
            format!("{text}{}{required}", default.collect::<String>())
        }
        What::Other(parts) => format!("other({})", list(parts)),
    }
}

fn of(written: &str) -> Term {
    let written = Value::from_json(written.as_bytes()).unwrap();
    engine().expression(&written, &names()).unwrap().outline(&written)
}

#[test]
fn all_languages_become_the_same_terms() {
    for (written, expected) in [
        (r#""High""#, r#""High""#),
        (r#""$.object.lines.data[0].id""#, "object.lines.data[0].id"),
        (r#""$.object.lines.data[*].id""#, "nodes(object.lines.data[*].id)"),
        (r#""$.object..id""#, "nodes(object..)"),
        (r#""${object.lines.data[0].id}""#, "object.lines.data[0].id"),
        (r#""${object[\"a\"].b}""#, "object.a.b"),
        (r#""a ${object.b} c""#, r#"text("a ", object.b, " c")"#),
        (r#"{"from": ["$.object.a", "$.object.b"]}"#, "first(object.a, object.b)"),
        (
            r#"{"from": {"from": "$.object.a", "money": "eur"}, "truncate": 5}"#,
            r#"object.a > money("eur") > truncate(5)"#,
        ),
        (r#"{"script": "object.a ?? 1", "required": true}"#, "first(object.a, 1) > required"),
        (r#"{"each": "$.object.a", "as": "it", "give": {"x": "$.it.b"}}"#, "each(object.a, it => {x: it.b})"),
        (
            r#"{"from": "$.object.a", "transform": ["trim"], "map": "$.vars.m", "default": "x"}"#,
            r#"object.a > trim > table vars.m > default("x")"#,
        ),
        (
            r#"{"from": "$.object.a", "datetime": "date", "zone": "Europe/Paris"}"#,
            r#"object.a > Date("Europe/Paris")"#,
        ),
        (r#"{"payload": {"from": "$.object.a"}}"#, "{from: object.a}"),
        (r#"{"literal": "$.object.a"}"#, r#""$.object.a""#),
        (
            r#""${object.a.filter(|it| it.b == object.c).len()}""#,
            "len(filter(object.a, |it| ==(it.b, object.c)))",
        ),
        (
            r#""${let x = object.a; x += 1; if x > 2 { x } else { return () }}""#,
            "block(let(x, object.a), assign(x, 1), if(>(x, 2), x, return(null)))",
        ),
        (
            r#""${object.a in [\"b\", ()] && !object.c}""#,
            r#"and(contains(["b", null], object.a), !(object.c))"#,
        ),
    ] {
        assert_eq!(shown(&of(written)), expected, "{written}");
    }
}

/// The key `key`, wherever it is read.
fn spot<'t>(term: &'t Term, key: &str) -> Option<&'t super::Spot> {
    match &term.what {
        What::Member { key: own, .. } if **own == *key => Some(&term.spot),
        _ => term.parts().into_iter().find_map(|part| spot(part, key)),
    }
}

#[test]
fn each_key_knows_its_place_in_the_written_value() {
    for (written, path, scalar) in [
        (r#""$.object.a.wrong.b""#, &[][..], "$.object.a.wrong.b"),
        (r#""$.object['wrong']""#, &[], "$.object['wrong']"),
        (r#""some ${upper(object.wrong)} text""#, &[], "some ${upper(object.wrong)} text"),
        (r#""${object.a.map(|it| it.wrong)}""#, &[], "${object.a.map(|it| it.wrong)}"),
        (r#"{"from": ["$.object.a", "$.object.wrong"]}"#, &["from", "1"], "$.object.wrong"),
        (r#"{"from": "$.object.a", "money": "$.object.wrong"}"#, &["money"], "$.object.wrong"),
        (r#"{"x": [{"script": "object.wrong"}]}"#, &["x", "0", "script"], "object.wrong"),
    ] {
        let term = of(written);
        let spot = spot(&term, "wrong").unwrap_or_else(|| panic!("{written}"));
        let found: Vec<String> = spot
            .path
            .iter()
            .map(|seg| match seg {
                FaultSeg::Key(key) => key.clone(),
                FaultSeg::Index(index) => index.to_string(),
            })
            .collect();
        assert_eq!(found, path, "{written}");
        let text = &scalar[spot.within.clone().unwrap()];
        assert!(text == "wrong" || text == "['wrong']", "{written}: {text}");
    }
}

#[test]
fn a_condition_is_a_term_too() {
    let condition = engine().condition("object.a > 1 || object.b", &names()).unwrap();
    assert_eq!(shown(&condition.outline()), "or(>(object.a, 1), object.b)");
    assert_eq!(condition.outline().parts()[1].path_text(), Some("object.b".to_owned()));
}
