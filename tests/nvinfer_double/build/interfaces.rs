//! `class VConvolutionLayer : public VRoot { virtual void setNbGroups(int32_t n) noexcept = 0; ... }` -> data.

/// One class of `NvInferImpl.h`.
pub struct Interface {
    /// Without the `V`: `ConvolutionLayer`.
    pub name: String,
    pub methods: Vec<Method>,
}

/// One pure virtual method.
pub struct Method {
    pub returns: String,
    pub name: String,
    /// Their types.
    pub arguments: Vec<String>,
    /// What follows the arguments: `const noexcept`.
    pub qualifiers: String,
}

/// Every interface of the header.
///
/// # Errors
/// A declaration that is not understood, as it stands.
pub fn read(header: &str) -> Result<Vec<Interface>, String> {
    let text = without_comments(header);
    let mut interfaces = Vec::new();
    for part in text.split("class V").skip(1) {
        let Some((name, rest)) = part.split_once(": public VRoot") else {
            continue;
        };
        let body = rest.split("};").next().unwrap_or_default();
        let body = body.split_once("public:").map_or("", |(_, body)| body);
        let declarations = body.split(';').map(str::trim).filter(|d| !d.is_empty());
        let methods: Result<Vec<Method>, String> = declarations.map(method).collect();
        interfaces.push(Interface {
            name: name.trim().to_string(),
            methods: methods?,
        });
    }
    if interfaces.is_empty() {
        Err("NvInferImpl.h declares no interface".into())
    } else {
        Ok(interfaces)
    }
}

fn without_comments(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or(""));
    lines.collect::<Vec<_>>().join(" ")
}

fn method(text: &str) -> Result<Method, String> {
    let unknown = || format!("NvInferImpl.h: not understood: {text}");
    let text = text.replace("TRT_NODISCARD", "").replace("TRT_DEPRECATED", "");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.strip_prefix("virtual ").ok_or_else(unknown)?;
    let text = text.strip_suffix("= 0").ok_or_else(unknown)?;
    let (head, rest) = text.split_once('(').ok_or_else(unknown)?;
    let (arguments, qualifiers) = rest.rsplit_once(')').ok_or_else(unknown)?;
    let (returns, name) = head.rsplit_once(' ').ok_or_else(unknown)?;
    let arguments = arguments.split(',').map(str::trim);
    Ok(Method {
        returns: returns.to_string(),
        name: name.to_string(),
        arguments: arguments.filter(|a| !a.is_empty()).map(type_of).collect(),
        qualifiers: qualifiers.trim().to_string(),
    })
}

/// The type of `Dims const& shape`, of `int32_t axis = 0`, of `void const*`, of `TempfileControlFlags`.
fn type_of(argument: &str) -> String {
    let argument = argument.split('=').next().unwrap_or_default().trim();
    let words: Vec<&str> = argument.split(' ').collect();
    let named = words.iter().filter(|word| **word != "const").count() > 1;
    if named && !argument.ends_with(['*', '&']) {
        words[..words.len() - 1].join(" ")
    } else {
        argument.to_string()
    }
}
