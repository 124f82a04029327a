//! Reads SOQL of the kind that integrations send.

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;

use super::convert::read_datetime;
use super::error::ApiError;

/// Salesforce's own limit of a statement.
const LENGTH_MAX: usize = 100_000;

/// A statement.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) select: Vec<Select>,
    pub(super) object: String,
    pub(super) filter: Option<Filter>,
    pub(super) order: Vec<Order>,
    pub(super) limit: Option<usize>,
    pub(super) offset: usize,
}

/// What is selected.
#[derive(Debug, Clone)]
pub(super) enum Select {
    /// A field, of the record or of the records that it refers to.
    Path(Vec<String>),
    /// `FIELDS(ALL)`, `FIELDS(STANDARD)`, `FIELDS(CUSTOM)`.
    Fields(String),
    /// `COUNT()`.
    Count,
    /// The children of a relationship.
    Children(Query),
}

#[derive(Debug, Clone)]
pub(super) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Compare { path: Vec<String>, operator: Operator, literal: Literal },
    In { path: Vec<String>, negated: bool, list: Vec<Literal> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    Like,
}

/// A literal. A text also keeps the spelling in which `\%` and `\_` are escaped, for LIKE.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Text { value: String, pattern: String },
    Number(Decimal),
    Bool(bool),
    Null,
    Date(Date),
    DateTime(Timestamp),
}

#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) path: Vec<String>,
    pub(super) descending: bool,
    pub(super) nulls_last: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Literal(Literal),
    Symbol(&'static str),
}

/// Reads a statement, or says what is wrong as Salesforce does.
pub(super) fn parse(text: &str) -> Result<Query, ApiError> {
    if text.len() > LENGTH_MAX {
        return Err(malformed("SOQL statements cannot be longer than 100000 characters."));
    }
    let mut reader = Reader { tokens: tokens(text)?, at: 0 };
    let query = reader.query()?;
    match reader.peek() {
        None => Ok(query),
        Some(token) => Err(unexpected(token)),
    }
}

fn malformed(message: impl Into<String>) -> ApiError {
    ApiError::new("MALFORMED_QUERY", message)
}

fn unexpected(token: &Token) -> ApiError {
    let shown = match token {
        Token::Word(word) => word.clone(),
        Token::Symbol(symbol) => (*symbol).to_owned(),
        Token::Literal(Literal::Text { value, .. }) => format!("'{value}'"),
        Token::Literal(literal) => format!("{literal:?}"),
    };
    malformed(format!("unexpected token: '{shown}'"))
}

fn tokens(text: &str) -> Result<Vec<Token>, ApiError> {
    const SYMBOLS: [&str; 10] = ["<=", ">=", "!=", "<>", "(", ")", ",", "=", "<", ">"];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = if first == '\'' {
            let (literal, taken) = quoted(rest)?;
            tokens.push(Token::Literal(literal));
            taken
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            tokens.push(Token::Symbol(if *symbol == "<>" { "!=" } else { symbol }));
            symbol.len()
        } else {
            let end = rest.find(|letter: char| letter.is_whitespace() || "(),=<>!'".contains(letter));
            let word = &rest[..end.unwrap_or(rest.len())];
            if word.is_empty() {
                return Err(malformed(format!("unexpected token: '{first}'")));
            }
            tokens.push(bare(word)?);
            word.len()
        };
        rest = rest[taken..].trim_start();
    }
    Ok(tokens)
}

/// A quoted text and its length in the statement.
fn quoted(rest: &str) -> Result<(Literal, usize), ApiError> {
    let (mut value, mut pattern) = (String::new(), String::new());
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\'' => return Ok((Literal::Text { value, pattern }, at + 1)),
            '\\' => {
                let escaped = letters.next().map(|(_, letter)| letter);
                let plain = match escaped {
                    Some('n' | 'N') => '\n',
                    Some('r' | 'R') => '\r',
                    Some('t' | 'T') => '\t',
                    Some('b' | 'B') => '\u{8}',
                    Some('f' | 'F') => '\u{c}',
                    Some(letter @ ('\\' | '\'' | '"' | '%' | '_')) => letter,
                    _ => return Err(malformed("Illegal character escape sequence in string literal")),
                };
                if matches!(plain, '%' | '_' | '\\') {
                    pattern.push('\\');
                }
                value.push(plain);
                pattern.push(plain);
            }
            _ => {
                value.push(letter);
                pattern.push(letter);
            }
        }
    }
    Err(malformed("line 1: unterminated string literal"))
}

fn bare(word: &str) -> Result<Token, ApiError> {
    let literal = match word.to_ascii_lowercase().as_str() {
        "true" => Some(Literal::Bool(true)),
        "false" => Some(Literal::Bool(false)),
        "null" => Some(Literal::Null),
        _ => None,
    };
    if let Some(literal) = literal {
        return Ok(Token::Literal(literal));
    }
    if !word.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) {
        let named = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:".contains(&byte));
        let unexpected = || malformed(format!("unexpected token: '{word}'"));
        return if named { Ok(Token::Word(word.to_owned())) } else { Err(unexpected()) };
    }
    let date = || (word.len() == 10).then(|| word.parse::<Date>().ok()).flatten().map(Literal::Date);
    let at = || word.contains('T').then(|| read_datetime(word)).flatten().map(Literal::DateTime);
    let number = || word.parse::<Decimal>().ok().map(Literal::Number);
    date()
        .or_else(at)
        .or_else(number)
        .map(Token::Literal)
        .ok_or_else(|| malformed(format!("unexpected token: '{word}'")))
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Result<Token, ApiError> {
        let token = self.peek().cloned().ok_or_else(|| malformed("unexpected token: '<EOF>'"))?;
        self.at += 1;
        Ok(token)
    }

    /// Takes the word when it comes next; case does not matter.
    fn word(&mut self, wanted: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        self.at += usize::from(is);
        is
    }

    fn symbol(&mut self, wanted: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Symbol(symbol)) if *symbol == wanted);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, taken: bool) -> Result<(), ApiError> {
        if taken {
            return Ok(());
        }
        Err(self.peek().map_or_else(|| malformed("unexpected token: '<EOF>'"), unexpected))
    }

    fn name(&mut self) -> Result<String, ApiError> {
        match self.next()? {
            Token::Word(word) => Ok(word),
            token => Err(unexpected(&token)),
        }
    }

    fn path(&mut self) -> Result<Vec<String>, ApiError> {
        Ok(self.name()?.split('.').map(str::to_owned).collect())
    }

    fn query(&mut self) -> Result<Query, ApiError> {
        let taken = self.word("select");
        self.expect(taken)?;
        let mut select = vec![self.selected()?];
        while self.symbol(",") {
            select.push(self.selected()?);
        }
        let taken = self.word("from");
        self.expect(taken)?;
        let object = self.name()?;
        let filter = if self.word("where") { Some(self.filter()?) } else { None };
        let order = self.order()?;
        let limit = if self.word("limit") { Some(self.count()?) } else { None };
        let offset = if self.word("offset") { self.count()? } else { 0 };
        Ok(Query { select, object, filter, order, limit, offset })
    }

    fn selected(&mut self) -> Result<Select, ApiError> {
        if self.symbol("(") {
            let query = self.query()?;
            let taken = self.symbol(")");
            self.expect(taken)?;
            return Ok(Select::Children(query));
        }
        let path = self.path()?;
        if !self.symbol("(") {
            return Ok(Select::Path(path));
        }
        let selected = match path[0].to_ascii_lowercase().as_str() {
            "count" => Select::Count,
            "fields" => Select::Fields(self.name()?.to_ascii_uppercase()),
            other => return Err(malformed(format!("the sandbox does not know the function {other}()"))),
        };
        let taken = self.symbol(")");
        self.expect(taken)?;
        Ok(selected)
    }

    /// AND and OR are not mixed without parentheses.
    fn filter(&mut self) -> Result<Filter, ApiError> {
        let first = self.condition()?;
        for (joint, join) in [("and", Filter::And as fn(Vec<Filter>) -> Filter), ("or", Filter::Or)] {
            if !self.word(joint) {
                continue;
            }
            let mut parts = vec![first, self.condition()?];
            while self.word(joint) {
                parts.push(self.condition()?);
            }
            return Ok(join(parts));
        }
        Ok(first)
    }

    fn condition(&mut self) -> Result<Filter, ApiError> {
        if self.word("not") {
            return Ok(Filter::Not(Box::new(self.condition()?)));
        }
        if self.symbol("(") {
            let filter = self.filter()?;
            let taken = self.symbol(")");
            self.expect(taken)?;
            return Ok(filter);
        }
        let path = self.path()?;
        let negated = self.word("not");
        if self.word("in") {
            return Ok(Filter::In { path, negated, list: self.list()? });
        }
        let operator = match self.next()? {
            Token::Symbol("=") => Operator::Equal,
            Token::Symbol("!=") => Operator::Unequal,
            Token::Symbol("<") => Operator::Less,
            Token::Symbol(">") => Operator::Greater,
            Token::Symbol("<=") => Operator::LessOrEqual,
            Token::Symbol(">=") => Operator::GreaterOrEqual,
            Token::Word(word) if word.eq_ignore_ascii_case("like") => Operator::Like,
            token => return Err(unexpected(&token)),
        };
        Ok(Filter::Compare { path, operator, literal: self.literal()? })
    }

    fn literal(&mut self) -> Result<Literal, ApiError> {
        match self.next()? {
            Token::Literal(literal) => Ok(literal),
            token => Err(unexpected(&token)),
        }
    }

    fn list(&mut self) -> Result<Vec<Literal>, ApiError> {
        let taken = self.symbol("(");
        self.expect(taken)?;
        let mut list = vec![self.literal()?];
        while self.symbol(",") {
            list.push(self.literal()?);
        }
        let taken = self.symbol(")");
        self.expect(taken)?;
        Ok(list)
    }

    fn order(&mut self) -> Result<Vec<Order>, ApiError> {
        if !self.word("order") {
            return Ok(Vec::new());
        }
        let taken = self.word("by");
        self.expect(taken)?;
        let mut order = Vec::new();
        loop {
            let path = self.path()?;
            let descending = !self.word("asc") && self.word("desc");
            let nulls_last = self.word("nulls") && {
                let last = self.word("last");
                let first = !last && self.word("first");
                self.expect(last || first)?;
                last
            };
            order.push(Order { path, descending, nulls_last });
            if !self.symbol(",") {
                return Ok(order);
            }
        }
    }

    fn count(&mut self) -> Result<usize, ApiError> {
        let token = self.next()?;
        match &token {
            Token::Literal(Literal::Number(number)) => {
                usize::try_from(*number).map_err(|_| unexpected(&token))
            }
            _ => Err(unexpected(&token)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;
    use crate::clock::SystemClock;
    use crate::connector::{
        Action, Call, Connection, ConnectionParts, Http, MemoryVault, Select as Wanted, Surroundings, builtin,
    };
    use crate::sandbox::reply::pairs;
    use crate::secret::Redactor;
    use crate::value::{Map, Value};

    thread_local!(static CONNECTION: Connection = connection());

    fn connection() -> Connection {
        let config =
            br#"{"login_url":"https://acme.my.salesforce.com","client_id":"c","client_secret":"secret"}"#;
        let parts = ConnectionParts {
            client: "acme".into(),
            name: "crm".into(),
            manifest: builtin("salesforce").unwrap(),
            config: Value::from_json(config).unwrap().as_map().unwrap().clone(),
            rate_limit: None,
            concurrency: None,
            timeout: None,
            read_only: false,
            fields: [].into(),
        };
        let around = Surroundings {
            http: Http::new().unwrap(),
            clock: Arc::new(SystemClock),
            redactor: Redactor::default(),
            vault: Arc::new(MemoryVault::default()),
            commons: None,
        };
        Connection::open(parts, around).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        /// What the manifest writes, the simulator reads back: one comparison with that very text, whatever is in it.
        #[test]
        fn a_looked_up_text_is_read_back_as_itself(text in r#"[^\x00]{0,12}|['"\\%_ \n\r\t\x08\x0c=)(]{1,8}"#) {
            let identity: Map = [("Name".into(), Value::from(text.as_str()))].into_iter().collect();
            let action = Action::Find { object: "Account".into(), identity, select: Wanted::All, limit: 2 };
            let Ok(request) = CONNECTION.with(|connection| connection.preview(&Call::new("crm", action))) else {
                prop_assert!(text.chars().any(char::is_control), "{:?} is refused", text);
                return Ok(());
            };
            let query = request.url.split_once('?').map_or("", |(_, query)| query);
            let soql = pairs(query).into_iter().find(|(key, _)| key == "q").map(|(_, soql)| soql).unwrap();
            let read = parse(&soql).map_err(|error| TestCaseError::fail(format!("{soql}: {error:?}")))?;
            let Some(Filter::Compare { path, operator: Operator::Equal, literal }) = read.filter else {
                return Err(TestCaseError::fail(soql));
            };
            prop_assert_eq!(path, ["Name"]);
            let Literal::Text { value, .. } = literal else { return Err(TestCaseError::fail(soql)) };
            prop_assert_eq!(value, text);
        }
    }

    #[test]
    fn escapes_are_read_as_salesforce_writes_them() {
        let query = parse(r"SELECT Id FROM Account WHERE Name = 'O\'Brien \\ \n 100\%'").unwrap();
        let Some(Filter::Compare { literal, .. }) = query.filter else { panic!("a comparison") };
        assert_eq!(
            literal,
            Literal::Text {
                value: "O'Brien \\ \n 100%".to_owned(),
                pattern: r"O'Brien \\ ".to_owned() + "\n 100\\%"
            }
        );
    }

    #[test]
    fn the_kinds_of_statements_that_are_sent_are_read() {
        for text in [
            "SELECT Id, Name, Account.Owner.Name FROM Contact WHERE Email IN ('a','b') AND IsDeleted = false",
            "select id from Account where (Name LIKE 'A%' or Name = null) and not Phone != '' order by Name desc nulls last, Id limit 5 offset 2",
            "SELECT FIELDS(ALL) FROM Account LIMIT 200",
            "SELECT COUNT() FROM Account",
            "SELECT Id, (SELECT Id FROM Contacts) FROM Account",
            "SELECT Id FROM Opportunity WHERE Amount >= 10.5 AND CloseDate < 2026-11-02 AND SystemModstamp > 2026-11-02T12:00:00Z",
            "SELECT Id FROM Account WHERE Id NOT IN ('001000000000001')",
        ] {
            assert!(parse(text).is_ok(), "{text}: {:?}", parse(text));
        }
    }

    #[test]
    fn what_salesforce_refuses_is_malformed() {
        for text in [
            "SELECT FROM Account",
            "SELECT Id FROM Account WHERE Name = 'open",
            "SELECT Id FROM Account WHERE Id IN ()",
            "SELECT Id FROM Account WHERE Name = 'a' AND Phone = 'b' OR Fax = 'c'",
            "SELECT Id FROM Account WHERE Name = \"a\"",
            "SELECT Id FROM Account LIMIT -1",
            "SELECT * FROM Account",
            r"SELECT Id FROM Account WHERE Name = 'a\x'",
        ] {
            assert_eq!(parse(text).map_err(|error| error.code).err(), Some("MALFORMED_QUERY"), "{text}");
        }
    }
}
