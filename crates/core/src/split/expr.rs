//! The condition of a DLA rule: comparisons and arithmetic over a layer's facts, in Python's notation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a variable or a sub-expression stands for.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum Value {
    Bool(bool),
    Number(f64),
    Text(String),
    Tuple(Vec<Value>),
}

/// The variables a layer binds.
pub type Facts = BTreeMap<&'static str, Value>;

/// A parsed condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Value(Value),
    Name(String),
    Tuple(Vec<Expr>),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    /// `a < b < c`: every neighbouring pair must hold.
    Compare(Box<Expr>, Vec<(&'static str, Expr)>),
    Arithmetic(char, Box<Expr>, Box<Expr>),
    If {
        then: Box<Expr>,
        condition: Box<Expr>,
        otherwise: Box<Expr>,
    },
    Call(String, Vec<Expr>),
}

impl Expr {
    /// Every variable the condition reads.
    pub fn names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.collect(&mut names);
        names
    }

    fn collect<'a>(&'a self, names: &mut BTreeSet<&'a str>) {
        match self {
            Expr::Value(_) => {}
            Expr::Name(name) => {
                names.insert(name);
            }
            Expr::Not(inner) => inner.collect(names),
            Expr::Tuple(parts) | Expr::And(parts) | Expr::Or(parts) | Expr::Call(_, parts) => {
                parts.iter().for_each(|part| part.collect(names));
            }
            Expr::Compare(first, rest) => {
                first.collect(names);
                rest.iter().for_each(|(_, part)| part.collect(names));
            }
            Expr::Arithmetic(_, a, b) => {
                a.collect(names);
                b.collect(names);
            }
            Expr::If {
                then,
                condition,
                otherwise,
            } => [then, condition, otherwise]
                .iter()
                .for_each(|part| part.collect(names)),
        }
    }

    /// Every whole number and every word the condition compares with.
    #[cfg(test)]
    pub fn literals(&self) -> Vec<(Option<u64>, Option<String>)> {
        match self {
            Expr::Value(Value::Number(number)) => vec![(Some(*number as u64), None)],
            Expr::Value(Value::Text(word)) => vec![(None, Some(word.clone()))],
            Expr::Value(Value::Bool(_) | Value::Tuple(_)) | Expr::Name(_) => Vec::new(),
            Expr::Not(inner) => inner.literals(),
            Expr::Tuple(parts) | Expr::And(parts) | Expr::Or(parts) | Expr::Call(_, parts) => {
                parts.iter().flat_map(Expr::literals).collect()
            }
            Expr::Compare(first, rest) => {
                let rest = rest.iter().flat_map(|(_, part)| part.literals());
                first.literals().into_iter().chain(rest).collect()
            }
            Expr::Arithmetic(_, a, b) => [a.literals(), b.literals()].concat(),
            Expr::If {
                then,
                condition,
                otherwise,
            } => [then.literals(), condition.literals(), otherwise.literals()].concat(),
        }
    }

    /// Whether the condition holds; an error says which variable or type does not fit.
    pub fn holds(&self, facts: &Facts) -> Result<bool, String> {
        match self.eval(facts)? {
            Value::Bool(answer) => Ok(answer),
            other => Err(format!("{other} is not a truth value")),
        }
    }

    fn eval(&self, facts: &Facts) -> Result<Value, String> {
        match self {
            Expr::Value(value) => Ok(value.clone()),
            Expr::Name(name) => facts
                .get(name.as_str())
                .cloned()
                .ok_or_else(|| format!("`{name}` is not known")),
            Expr::Tuple(parts) => Ok(Value::Tuple(eval_all(parts, facts)?)),
            Expr::Not(inner) => Ok(Value::Bool(!inner.holds(facts)?)),
            Expr::And(parts) => all(parts, facts, false),
            Expr::Or(parts) => all(parts, facts, true),
            Expr::Compare(first, rest) => compare_chain(first, rest, facts),
            Expr::Arithmetic(op, a, b) => arithmetic(*op, a.number(facts)?, b.number(facts)?),
            Expr::If {
                then,
                condition,
                otherwise,
            } => if condition.holds(facts)? { then } else { otherwise }.eval(facts),
            Expr::Call(function, parts) => {
                let numbers: Result<Vec<f64>, String> = parts.iter().map(|part| part.number(facts)).collect();
                call(function, &numbers?)
            }
        }
    }

    fn number(&self, facts: &Facts) -> Result<f64, String> {
        match self.eval(facts)? {
            Value::Number(number) => Ok(number),
            other => Err(format!("{other} is not a number")),
        }
    }
}

fn eval_all(parts: &[Expr], facts: &Facts) -> Result<Vec<Value>, String> {
    parts.iter().map(|part| part.eval(facts)).collect()
}

/// `and` stops at the first false, `or` (`stop` = true) at the first true.
fn all(parts: &[Expr], facts: &Facts, stop: bool) -> Result<Value, String> {
    for part in parts {
        if part.holds(facts)? == stop {
            return Ok(Value::Bool(stop));
        }
    }
    Ok(Value::Bool(!stop))
}

fn compare_chain(first: &Expr, rest: &[(&'static str, Expr)], facts: &Facts) -> Result<Value, String> {
    let mut left = first.eval(facts)?;
    for (op, part) in rest {
        let right = part.eval(facts)?;
        if !compare(op, &left, &right)? {
            return Ok(Value::Bool(false));
        }
        left = right;
    }
    Ok(Value::Bool(true))
}

fn compare(op: &str, a: &Value, b: &Value) -> Result<bool, String> {
    let member = |a: &Value, b: &Value| match b {
        Value::Tuple(parts) => Ok(parts.contains(a)),
        other => Err(format!("{other} has no members")),
    };
    match op {
        "<" => Ok(a < b),
        "<=" => Ok(a <= b),
        ">" => Ok(a > b),
        ">=" => Ok(a >= b),
        "==" => Ok(a == b),
        "!=" => Ok(a != b),
        "in" => member(a, b),
        "not" => member(a, b).map(|found| !found),
        other => Err(format!("`{other}` is not a comparison")),
    }
}

fn arithmetic(op: char, a: f64, b: f64) -> Result<Value, String> {
    Ok(Value::Number(match op {
        '+' => a + b,
        '-' => a - b,
        '*' => a * b,
        '/' => a / b,
        '%' => a.rem_euclid(b),
        other => return Err(format!("`{other}` is not an operator")),
    }))
}

fn call(function: &str, arguments: &[f64]) -> Result<Value, String> {
    Ok(Value::Number(match (function, arguments) {
        ("ceil", [x]) => x.ceil(),
        ("rup", [x, step]) => (x / step).ceil() * step,
        ("max", all @ [_, ..]) => all.iter().copied().fold(f64::MIN, f64::max),
        _ => {
            return Err(format!(
                "`{function}` does not take {} arguments",
                arguments.len()
            ));
        }
    }))
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(answer) => write!(f, "{answer}"),
            Value::Number(number) => write!(f, "{number}"),
            Value::Text(text) => f.write_str(text),
            Value::Tuple(parts) => {
                let parts: Vec<String> = parts.iter().map(Value::to_string).collect();
                write!(f, "({})", parts.join(", "))
            }
        }
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Value {
        Value::Number(number as f64)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_string())
    }
}

impl From<bool> for Value {
    fn from(answer: bool) -> Value {
        Value::Bool(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::parse::parse;

    #[test]
    fn conditions_mean_what_python_means() {
        let facts = Facts::from([
            ("k", Value::from(3)),
            ("op", "MAX".into()),
            ("flag", true.into()),
            ("trt", Value::Tuple(vec![8.into(), 5.into(), 2.into()])),
        ]);
        let cases = [
            ("1<=k<=32 and k!=4", true),
            ("1<=k<=2", false),
            ("op in ('MAX','AVERAGE')", true),
            ("op in {'SUM'} or not flag", false),
            ("op not in {'SUM','PROD'}", true),
            ("not (10,8)<=trt<(11,4)", true),
            ("trt<(8,6)", true),
            ("trt>=(8,5)", true),
            ("k<=(16 if op=='MAX' else 2)", true),
            ("ceil(k/2)+rup(k,4)*2==10", true),
            ("max(k,7,1)-k%2==6", true),
            ("False", false),
        ];
        for (text, want) in cases {
            assert_eq!(parse(text).unwrap().holds(&facts), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_has_no_meaning_is_an_error() {
        let facts = Facts::from([("k", Value::from(3))]);
        for text in ["k", "missing==1", "k in k", "ceil(k,k)==1", "k+(1,2)==1"] {
            let answer = parse(text).unwrap().holds(&facts);
            assert!(answer.is_err(), "{text} gave {answer:?}");
        }
        for text in ["k <", "(k", "k ==== 1", "'open", "k 3", "", "k & 1"] {
            assert!(parse(text).is_err(), "{text} must not parse");
        }
    }
}
