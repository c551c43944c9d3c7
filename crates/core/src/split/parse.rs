//! Reads the condition of a DLA rule.

use super::expr::{Expr, Value};

/// Parses one condition; the error quotes what could not be read.
pub fn parse(text: &str) -> Result<Expr, String> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
    };
    let expr = parser.conditional()?;
    match parser.peek() {
        None => Ok(expr),
        Some(token) => Err(format!("`{token}` is not expected in `{text}`")),
    }
}

const SYMBOLS: [&str; 20] = [
    "<=", ">=", "==", "!=", "<", ">", "+", "-", "*", "/", "%", "(", ")", "{", "}", ",", "in", "if", "or",
    "and",
];

fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first == '\'' || first == '"' {
            let close = rest[1..].find(first);
            close.ok_or_else(|| format!("`{rest}` has no closing quote"))? + 2
        } else if first.is_ascii_alphanumeric() || first == '_' {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            rest.find(|c| !word(c)).unwrap_or(rest.len())
        } else {
            let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
            symbol
                .ok_or_else(|| format!("`{rest}` does not start with an operator"))?
                .len()
        };
        tokens.push(rest[..length].to_string());
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

struct Parser {
    tokens: Vec<String>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) {
            Ok(())
        } else {
            Err(format!(
                "`{token}` is expected, not `{}`",
                self.peek().unwrap_or("the end")
            ))
        }
    }

    /// Takes the first of `choices` that comes next.
    fn one_of(&mut self, choices: &[&'static str]) -> Option<&'static str> {
        choices.iter().copied().find(|choice| self.take(choice))
    }

    fn conditional(&mut self) -> Result<Expr, String> {
        let then = self.any()?;
        if !self.take("if") {
            return Ok(then);
        }
        let condition = self.any()?;
        self.expect("else")?;
        Ok(Expr::If {
            then: Box::new(then),
            condition: Box::new(condition),
            otherwise: Box::new(self.conditional()?),
        })
    }

    fn any(&mut self) -> Result<Expr, String> {
        let mut parts = vec![self.every()?];
        while self.take("or") {
            parts.push(self.every()?);
        }
        Ok(single_or(parts, Expr::Or))
    }

    fn every(&mut self) -> Result<Expr, String> {
        let mut parts = vec![self.negation()?];
        while self.take("and") {
            parts.push(self.negation()?);
        }
        Ok(single_or(parts, Expr::And))
    }

    fn negation(&mut self) -> Result<Expr, String> {
        if self.take("not") {
            return Ok(Expr::Not(Box::new(self.negation()?)));
        }
        let first = self.sum()?;
        let mut rest = Vec::new();
        while let Some(op) = self.one_of(&["<=", ">=", "==", "!=", "<", ">", "in", "not"]) {
            if op == "not" {
                self.expect("in")?;
            }
            rest.push((op, self.sum()?));
        }
        Ok(if rest.is_empty() {
            first
        } else {
            Expr::Compare(Box::new(first), rest)
        })
    }

    fn sum(&mut self) -> Result<Expr, String> {
        let mut left = self.product()?;
        while let Some(op) = self.one_of(&["+", "-"]) {
            left = binary(op, left, self.product()?);
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Expr, String> {
        let mut left = self.atom()?;
        while let Some(op) = self.one_of(&["*", "/", "%"]) {
            left = binary(op, left, self.atom()?);
        }
        Ok(left)
    }

    fn atom(&mut self) -> Result<Expr, String> {
        if self.take("(") {
            let parts = self.list(")")?;
            return Ok(single_or(parts, Expr::Tuple));
        }
        if self.take("{") {
            return Ok(Expr::Tuple(self.list("}")?));
        }
        let token = self.peek().ok_or("the condition ends too early")?.to_string();
        self.at += 1;
        if self.take("(") {
            return Ok(Expr::Call(token, self.list(")")?));
        }
        leaf(&token)
    }

    fn list(&mut self, close: &str) -> Result<Vec<Expr>, String> {
        let mut parts = vec![self.conditional()?];
        while self.take(",") {
            parts.push(self.conditional()?);
        }
        self.expect(close)?;
        Ok(parts)
    }
}

fn leaf(token: &str) -> Result<Expr, String> {
    let first = token.chars().next().unwrap_or_default();
    Ok(match token {
        "True" => Expr::Value(true.into()),
        "False" => Expr::Value(false.into()),
        _ if first == '\'' || first == '"' => Expr::Value(token[1..token.len() - 1].into()),
        _ if first.is_ascii_digit() => {
            let number = token.parse::<f64>();
            Expr::Value(Value::Number(
                number.map_err(|_| format!("`{token}` is not a number"))?,
            ))
        }
        _ if first.is_ascii_alphabetic() || first == '_' => Expr::Name(token.to_string()),
        _ => return Err(format!("`{token}` is not a value")),
    })
}

fn binary(op: &str, left: Expr, right: Expr) -> Expr {
    let op = op.chars().next().unwrap_or_default();
    Expr::Arithmetic(op, Box::new(left), Box::new(right))
}

fn single_or(mut parts: Vec<Expr>, make: fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.len() {
        1 => parts.remove(0),
        _ => make(parts),
    }
}
