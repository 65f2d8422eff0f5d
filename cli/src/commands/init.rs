//! `assay init`: a folder to begin selling from.

use super::example;
use crate::args::InitArgs;
use crate::card::COMMENT;
use crate::exit::{Exit, Failure, Outcome};
use crate::files;
use crate::ui::Ui;
use assay_api::preparation::{Order, Preparation};
use assay_compiler::{CompileError, DeclaredTensor, declared};
use assay_prover::output::Readers;
use assay_verifier::tensors::{TensorInfo, inputs, outputs};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// More outputs than these are no classes with names.
const LABELS_MAX: u64 = 100;

/// What git must not have.
const IGNORED: &str = "\
# The seller's secrets: the network and its weights, as they came and as a package, and the compiler's report on them.
*.onnx
*.onnx.data
*.assay
*.report.json
# Keys of accounts, and tokens.
.env
# What `assay up` and `assay serve` keep: a chain, jobs with the inputs of buyers, proofs.
assay-up/
assay-data/
# Large, and made again by `assay setup`.
*.pk
";

/// What is known of a model before it is sold.
struct Model {
    /// What its files are called.
    name: String,
    description: String,
    labels: Vec<String>,
    prepare: Option<Preparation>,
    /// What makes a package of it.
    commands: Vec<String>,
}

/// A tensor's axes but the batch's; `None` if the file leaves one open.
fn sizes(shape: &[Option<u64>]) -> Option<Vec<u64>> {
    shape.iter().skip(1).copied().collect()
}

/// How a picture becomes such an input, if it looks like one.
fn prepare(shape: &[u64]) -> Option<Preparation> {
    let (channels, height, width, order) = match *shape {
        [channels @ (1 | 3), height, width] => (channels, height, width, Order::Planes),
        [height, width, channels @ (1 | 3)] => (channels, height, width, Order::Pixels),
        _ => return None,
    };
    let [width, height, channels] = [width, height, channels].map(|n| u32::try_from(n).ok());
    let image = Preparation::Image {
        width: width?,
        height: height?,
        channels: channels?,
        order,
        mean: Vec::new(),
        std: Vec::new(),
        invert: false,
    };
    image.check().is_ok().then_some(image)
}

/// A model by the shapes of its tensors.
fn shaped(name: String, inputs: &[Option<Vec<u64>>], outputs: &[Option<Vec<u64>>], commands: Vec<String>) -> Model {
    let said = |shapes: &[Option<Vec<u64>>]| {
        let each = shapes.iter().map(|shape| {
            shape.as_ref().map_or("a shape that the file leaves open".to_owned(), |shape| format!("{shape:?}"))
        });
        each.collect::<Vec<_>>().join(" and ")
    };
    let description = format!("{name}: takes {}, gives {}.", said(inputs), said(outputs));
    let elements = outputs.iter().map(|shape| Some(shape.as_ref()?.iter().product::<u64>())).sum::<Option<u64>>();
    let classes = elements.filter(|n| (2..=LABELS_MAX).contains(n)).unwrap_or_default();
    let prepare = if let [Some(input)] = inputs { prepare(input) } else { None };
    Model { name, description, labels: (0..classes).map(|class| format!("class {class}")).collect(), prepare, commands }
}

/// A path as it is typed into a shell.
fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = text.chars().all(|c| c.is_alphanumeric() || "/._-+".contains(c));
    if plain { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Whether a file lies in a folder.
fn is_in(file: &Path, dir: &Path) -> bool {
    let parent = file.canonicalize().ok().and_then(|file| file.parent().map(Path::to_owned));
    parent.is_some() && parent == dir.canonicalize().ok()
}

/// The model in an ONNX file, or in a package, that is to be sold from a folder.
fn model(ui: &Ui, path: &Path, dir: &Path) -> Outcome<Model> {
    let name = path.file_stem().map_or_else(|| "model".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let (whole, package) = (word(&std::path::absolute(path)?), format!("{}.assay", word(Path::new(&name))));
    if path.extension().is_some_and(|extension| extension == "assay") {
        let package_file = files::package(ui, path)?;
        let architecture = &package_file.model.shape.architecture;
        let shapes = |tensors: Vec<TensorInfo>| {
            tensors
                .into_iter()
                .map(|tensor| Some(tensor.shape.into_iter().map(u64::from).collect()))
                .collect::<Vec<_>>()
        };
        let commands = if is_in(path, dir) { Vec::new() } else { vec![format!("cp {whole} {package}")] };
        return Ok(shaped(name, &shapes(inputs(architecture)), &shapes(outputs(architecture)), commands));
    }
    let found = declared(path).map_err(CompileError::Guard)?;
    let shapes = |tensors: &[DeclaredTensor]| tensors.iter().map(|tensor| sizes(&tensor.shape)).collect::<Vec<_>>();
    let commands = vec![format!("assay compile {whole} --calibrate SAMPLES -o {package}")];
    Ok(shaped(name, &shapes(&found.inputs), &shapes(&found.outputs), commands))
}

/// The network that comes with the program.
fn the_example() -> Model {
    let package = format!("{}.assay", example::NAME);
    Model {
        name: example::NAME.to_owned(),
        description: example::DESCRIPTION.to_owned(),
        labels: example::labels(),
        prepare: prepare(&[1, 8, 8]),
        commands: vec![
            format!("assay compile {}.onnx --calibrate {} -o {package}", example::NAME, example::SAMPLES),
            format!("assay prove {package} --input {} -o proof.json", example::INPUT),
            format!("assay verify proof.json --model {}.key", example::NAME),
        ],
    }
}

/// A card with a comment before each field.
fn card(model: &Model) -> String {
    let fields = [
        (
            "description",
            "For buyers, in Markdown: what the model does, what it was trained on, where it errs.",
            Some(json!(model.description)),
        ),
        (
            "labels",
            "What each number of the output stands for, in their order; leave it out if they are no classes.",
            (!model.labels.is_empty()).then(|| json!(model.labels)),
        ),
        (
            "licence",
            "In words: what a buyer may do with answers, such as \"any use\"; left out, the card says nothing.",
            None,
        ),
        (
            "prepare",
            "How a picture or a text becomes the model's numbers: docs/cli.md, \"Inputs\".",
            model.prepare.as_ref().map(|prepare| json!(prepare)),
        ),
        (
            "price",
            "Of one answer, in the token's smallest unit: this is 0.001 of a chain's coin.",
            Some(json!("1000000000000000")),
        ),
        (
            "collateral",
            "What you lose if you take a job and do not prove it in time; left out, the least that the market takes.",
            None,
        ),
        ("prove_secs", "Seconds from payment in which you promise the proof.", Some(json!(600))),
        ("expire_secs", "Seconds from payment after which the buyer takes the money back.", Some(json!(3600))),
    ];
    let mut lines = Vec::new();
    for (name, comment, value) in fields {
        lines.push(format!("  {}: {}", json!(format!("{COMMENT} {name}")), json!(comment)));
        lines.extend(value.map(|value: Value| format!("  {}: {value}", json!(name))));
    }
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

/// Writes a folder to begin with. What is there already stays as it is.
pub fn init(ui: &Ui, args: InitArgs) -> Outcome {
    let model = match &args.model {
        Some(path) => model(ui, path, &args.dir)?,
        None => the_example(),
    };
    let cannot = |e: std::io::Error| Failure::message(Exit::Io, format!("cannot make {}: {e}", args.dir.display()));
    std::fs::create_dir_all(&args.dir).map_err(cannot)?;
    let mut wanted: Vec<(String, Vec<u8>)> = Vec::new();
    if args.model.is_none() {
        wanted.extend(example::files().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())));
    }
    wanted.push((format!("{}.card.json", model.name), card(&model).into_bytes()));
    wanted.push((".gitignore".to_owned(), IGNORED.as_bytes().to_vec()));
    let (mut written, mut kept) = (Vec::new(), Vec::new());
    for (name, bytes) in wanted {
        let path = args.dir.join(&name);
        if path.exists() {
            kept.push(name);
        } else {
            files::write(ui, &path, Readers::Default, &bytes)?;
            written.push(name);
        }
    }
    let next = commands(&args.dir, &model);
    let kept_line = if kept.is_empty() { String::new() } else { format!("\nleft as they were: {}", kept.join(", ")) };
    let text = format!("{}: {}{kept_line}\nnext:\n  {}", args.dir.display(), written.join(", "), next.join("\n  "));
    ui.finish(json!({ "folder": args.dir, "written": written, "kept": kept, "next": next }), text);
    Ok(())
}

/// What to type next.
fn commands(dir: &Path, model: &Model) -> Vec<String> {
    let here = [PathBuf::new(), PathBuf::from(".")].iter().any(|here| here == dir);
    let enter = (!here).then(|| format!("cd {}", word(dir)));
    let sell = format!("assay up {}.assay", word(Path::new(&model.name)));
    enter.into_iter().chain(model.commands.iter().cloned()).chain([sell]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_recognised_by_their_shape() {
        let of = |shape: &[u64]| prepare(shape).map(|prepare| json!(prepare));
        assert_eq!(of(&[3, 32, 48]).unwrap()["width"], 48);
        assert_eq!(of(&[32, 48, 3]).unwrap()["order"], "pixels");
        for other in [&[4, 32, 32][..], &[64], &[3, 0, 8], &[]] {
            assert_eq!(of(other), None, "{other:?}");
        }
    }

    #[test]
    fn paths_are_words_of_a_shell() {
        assert_eq!(word(Path::new("/a/b-c.onnx")), "/a/b-c.onnx");
        assert_eq!(word(Path::new("/my models/it's")), r"'/my models/it'\''s'");
    }
}
