//! What an agent can ask for: the names of the tools, what they are for, and what they are told.

use rmcp::model::Tool;
use serde::Deserialize;
use serde_json::{Value, json};

/// Which tool, with its arguments.
#[derive(Debug, Deserialize)]
#[serde(tag = "name", content = "arguments", rename_all = "snake_case")]
pub enum Call {
    FindModels(FindModels),
    Quote(Quote),
    Request(Order),
    Wait(Wait),
    Verify(Verify),
    Budget(Nothing),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindModels {
    /// Words that the name, the description or a label must have.
    pub query: Option<String>,
    /// Another service than those that the server knows.
    pub service: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quote {
    pub service: Option<String>,
    /// The model's id.
    pub model: String,
    /// Numbers, or an object with numbers for each input's name.
    pub input: Option<Value>,
    /// A file on the server's machine.
    pub input_file: Option<String>,
    #[serde(default)]
    pub allow_clamping: bool,
    /// Whether to pay only if nothing had to be clamped.
    #[serde(default)]
    pub unclamped: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// What `quote` called it.
    pub order: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    pub order: String,
    pub seconds: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    pub service: Option<String>,
    /// A prediction of the service.
    pub prediction: Option<String>,
    /// A proof file.
    pub proof: Option<Value>,
    /// The model of a proof file.
    pub model: Option<String>,
    /// What the proof must be bound to.
    pub context: Option<String>,
}

/// A tool with the schema of its arguments.
fn tool(name: &'static str, description: &'static str, properties: Value, required: &[&str]) -> Tool {
    let schema =
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    Tool::new(name, description, schema.as_object().cloned().unwrap_or_default())
}

/// All tools. `files`: whether the caller may name files on this machine.
pub fn all(files: bool) -> Vec<Tool> {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let service = text(
        "The service's address, such as http://localhost:8080; left out: the first that the server was started with",
    );
    let order = text("The order, as `quote` named it");
    let mut quote = json!({
        "service": service, "model": text("The model's id, as `find_models` lists it"),
        "input": {
            "description": "The model's inputs: one list of numbers with all of them in the model's order, or an \
                object with a list for each input's name",
            "oneOf": [{ "type": "array", "items": { "type": "number" } }, { "type": "object", "additionalProperties": { "type": "array", "items": { "type": "number" } } }],
        },
        "allow_clamping": { "type": "boolean", "description": "Take inputs outside the range that the model is made \
            for; the answer may mean little" },
        "unclamped": { "type": "boolean", "description": "Pay only for a proof that no value had to be clamped" },
    });
    if let (true, Some(fields)) = (files, quote.as_object_mut()) {
        let file = text(
            "Instead of `input`: a file on this machine, as JSON, CSV or NumPy's, or a picture or a text where the \
             model's card says how they become numbers",
        );
        fields.insert("input_file".to_owned(), file);
    }
    vec![
        tool(
            "find_models",
            "List models whose answers come with a proof: what they take and give, their price, and their ids. Prices \
             are in the token's smallest unit.",
            json!({ "query": text("Words that the name, the description or a label has"), "service": service }),
            &[],
        ),
        tool(
            "quote",
            "Ask for the price of one answer. The input is hidden by a commitment, the offer is checked against the \
             chain, and nothing is paid. Returns an order for `request`.",
            quote,
            &["model"],
        ),
        tool(
            "request",
            "Accept an order: pay its price into escrow, if it is within the budget, and ask for the proven answer. \
             The money is released only for a valid proof. Then use `wait`.",
            json!({ "order": order }),
            &["order"],
        ),
        tool(
            "wait",
            "Wait for an order's answer. When it is there, its proof is verified on this machine before the answer is \
             given. `done` false: ask again.",
            json!({ "order": order, "seconds": { "type": "integer", "minimum": 0, "maximum": 600, "description": "How long to wait; 60 if left out" } }),
            &["order"],
        ),
        tool(
            "verify",
            "Verify somebody's proof on this machine: a prediction of a service by its id, or a proof file together \
             with the model's id.",
            json!({
                "service": service, "prediction": text("A prediction's id"), "proof": { "type": "object", "description": "A proof file's contents" },
                "model": text("The id of the proof file's model"), "context": text("What the proof must be bound to: 0x and 64 digits, or a text"),
            }),
            &[],
        ),
        tool("budget", "Say how much may be spent, and how much was.", json!({}), &[]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and fields are those that calls are parsed by.
    #[test]
    fn every_tool_can_be_called() {
        for tool in all(true) {
            let fields: serde_json::Map<String, Value> = tool.input_schema["properties"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, schema)| {
                    let value = match (schema["type"].as_str(), name.as_str()) {
                        (_, "input") => json!([1.0]),
                        (Some("boolean"), _) => json!(true),
                        (Some("integer"), _) => json!(1),
                        (Some("object"), _) => json!({}),
                        _ => json!("x"),
                    };
                    (name.clone(), value)
                })
                .collect();
            let call = |arguments: &serde_json::Map<String, Value>| {
                serde_json::from_value::<Call>(json!({ "name": tool.name, "arguments": arguments }))
            };
            call(&fields).unwrap_or_else(|e| panic!("{}: {e}", tool.name));
            let mut more = fields.clone();
            more.insert("surprise".to_owned(), json!(1));
            assert!(call(&more).is_err(), "{}: an unknown argument", tool.name);
            for required in tool.input_schema["required"].as_array().unwrap() {
                let mut less = fields.clone();
                less.remove(required.as_str().unwrap());
                assert!(call(&less).is_err(), "{}: without {required}", tool.name);
            }
        }
        assert!(!all(false).iter().any(|tool| tool.input_schema["properties"].get("input_file").is_some()));
    }
}
