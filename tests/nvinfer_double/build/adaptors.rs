//! For each interface a class that passes every call on to a plain struct. So the structs are written once for all
//! versions of the headers, whose argument types differ, and a call that they do not know ends the test by its name.

use std::fmt::Write;

use crate::interfaces::{Interface, Method};

const HEAD: &str = "#pragma once\n#include <NvInfer.h>\n#include <utility>\n\n[[noreturn]] void unknownCall(char const* name) noexcept;\n\nnamespace nvinfer1\n{\n";

pub fn write(interfaces: &[Interface]) -> String {
    let mut text = HEAD.to_string();
    for interface in interfaces {
        adaptor(&mut text, interface).expect("a string takes any text");
    }
    text.push_str("} // namespace nvinfer1\n");
    text
}

fn adaptor(text: &mut String, interface: &Interface) -> std::fmt::Result {
    let name = &interface.name;
    writeln!(text, "template <class State>")?;
    writeln!(text, "struct {name}Adaptor final : apiv::V{name}\n{{")?;
    writeln!(text, "    State& state;")?;
    writeln!(text, "    explicit {name}Adaptor(State& s) : state(s) {{}}")?;
    for method in &interface.methods {
        passed_on(text, name, method)?;
    }
    writeln!(text, "}};")
}

fn passed_on(text: &mut String, class: &str, method: &Method) -> std::fmt::Result {
    let Method {
        returns,
        name,
        arguments,
        qualifiers,
    } = method;
    let typed = arguments.iter().enumerate();
    let typed: Vec<String> = typed.map(|(i, kind)| format!("{kind} a{i}")).collect();
    let names: Vec<String> = (0..arguments.len()).map(|i| format!("a{i}")).collect();
    let (typed, names) = (typed.join(", "), names.join(", "));
    writeln!(text, "    {returns} {name}({typed}) {qualifiers} override")?;
    writeln!(text, "    {{")?;
    writeln!(
        text,
        "        if constexpr (requires(State& s) {{ s.{name}({names}); }}) return state.{name}({names});"
    )?;
    writeln!(text, "        else unknownCall(\"{class}::{name}\");")?;
    writeln!(text, "    }}")
}
