//! How a command ends: an error, what kind it is, and the exit code that scripts see.

use crate::batch::BatchError;
use crate::inputs::BadInput;
use assay_api::ServeError;
use assay_api::chain::dev::DevChainError;
use assay_api::chain::{ChainError, OrderError};
use assay_api::client::ClientError;
use assay_api::engine::EngineError;
use assay_api::objects::ObjectError;
use assay_circuits::exec::ExecError;
use assay_compiler::{CompileError, GuardError, InputError};
use assay_prover::ceremony::CeremonyError;
use assay_prover::control::Cancelled;
use assay_prover::inner::InnerError;
use assay_prover::key::KeyError;
use assay_prover::native::ProofError;
use assay_prover::package::FileError;
use assay_prover::seller::ProveError;
use assay_prover::shown::ShownError;
use assay_prover::srs::SrsError;
use assay_prover::wrap::WrapError;
use assay_verifier::Invalid;

/// What a command's end means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// A check, a proof or a transaction did not hold.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A file or a value is wrong.
    Input = 3,
    /// A file or the network cannot be used.
    Io = 4,
    /// The user stopped it.
    Cancelled = 130,
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// Its kind.
    pub exit: Exit,
    /// The error with its causes.
    pub error: anyhow::Error,
}

/// The result of a command.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure of a kind.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }

    /// A failure with a message of its own.
    pub fn message(exit: Exit, message: impl std::fmt::Display) -> Self {
        Self { exit, error: anyhow::anyhow!("{message}") }
    }

    /// The page of the documentation that says more, if one does.
    pub fn page(&self) -> Option<&'static str> {
        self.error.chain().find_map(page)
    }

    /// The message with its causes, without those that the message already says.
    pub fn text(&self) -> String {
        let mut text = self.error.to_string();
        for cause in self.error.chain().skip(1).map(ToString::to_string) {
            if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        text
    }
}

/// Pages about kinds of errors. The part after `#` is a heading of the page.
fn page(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if let Some(error) = error.downcast_ref::<CompileError>() {
        return match error {
            CompileError::Import(_) | CompileError::Guard(_) => Some("docs/operators.md"),
            CompileError::Input(_) | CompileError::Integer { .. } => Some(INPUTS),
            _ => Some("docs/compiler.md"),
        };
    }
    if let Some(error) = error.downcast_ref::<EngineError>() {
        return matches!(error, EngineError::OutsideRange { .. }).then_some(RANGES);
    }
    if let Some(ClientError::Problem(_)) = error.downcast_ref::<ClientError>() {
        return Some("docs/api.md#errors");
    }
    let is = |pages: [(bool, &'static str); 7]| pages.into_iter().find(|(is, _)| *is).map(|(_, page)| page);
    is([
        (error.is::<InputError>() || error.is::<BadInput>() || error.is::<ExecError>(), INPUTS),
        (error.is::<BatchError>(), "docs/cli.md#several-inferences-in-one-proof"),
        (error.is::<DevChainError>(), "docs/cli.md#a-market-of-your-own"),
        (error.is::<OrderError>(), "docs/api.md#buying-an-inference"),
        (error.is::<ChainError>(), "docs/cli.md#the-market"),
        (error.is::<KeyError>() || error.is::<SrsError>() || error.is::<CeremonyError>(), "docs/cli.md#development-keys-and-srs"),
        (error.is::<FileError>(), "docs/cli.md#files"),
    ])
}

const INPUTS: &str = "docs/cli.md#inputs";
const RANGES: &str = "docs/cli.md#what-does-not-fit";

/// Says in what context something failed.
pub trait Context<T> {
    /// Puts a message before the error's own.
    fn context(self, message: impl std::fmt::Display) -> Outcome<T>;
}

impl<T, E: Into<Failure>> Context<T> for Result<T, E> {
    fn context(self, message: impl std::fmt::Display) -> Outcome<T> {
        self.map_err(|e| {
            let Failure { exit, error } = e.into();
            Failure { exit, error: error.context(message.to_string()) }
        })
    }
}

/// `from!(Type => |e| kind)`: the kind of a library's error.
macro_rules! from {
    ($($error:ty => $kind:expr;)*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                let kind: fn(&$error) -> Exit = $kind;
                Self { exit: kind(&error), error: error.into() }
            }
        })*
    };
}

from! {
    std::io::Error => |_| Exit::Io;
    FileError => file;
    SrsError => |e| if matches!(e, SrsError::Io(_)) { Exit::Io } else { Exit::Input };
    CeremonyError => |e| match e {
        CeremonyError::Srs(SrsError::Io(_)) => Exit::Io,
        CeremonyError::Contribution { .. } | CeremonyError::LastPowers | CeremonyError::LastHash | CeremonyError::OtherBeacon => Exit::Failed,
        _ => Exit::Input,
    };
    KeyError => |_| Exit::Failed;
    ShownError => |_| Exit::Input;
    ProofError => |_| Exit::Failed;
    ExecError => |_| Exit::Input;
    InputError => input;
    CompileError => |e| match e {
        CompileError::Input(e) => input(e),
        CompileError::Guard(GuardError::Io { .. }) => Exit::Io,
        _ => Exit::Input,
    };
    WrapError => |e| if matches!(e, WrapError::Cancelled(_)) { Exit::Cancelled } else { Exit::Failed };
    ProveError => |e| match e {
        ProveError::Cancelled(_) | ProveError::Inner(InnerError::Cancelled(_)) | ProveError::Wrap(WrapError::Cancelled(_)) => Exit::Cancelled,
        ProveError::Execute(_) | ProveError::NoWrapKey | ProveError::Blinding { .. } | ProveError::Inputs { .. } => Exit::Input,
        _ => Exit::Failed,
    };
    Cancelled => |_| Exit::Cancelled;
    ChainError => chain;
    OrderError => |e| if let OrderError::Chain(e) = e { chain(e) } else { Exit::Failed };
    ClientError => |e| match e {
        ClientError::Url { .. } | ClientError::Key => Exit::Usage,
        ClientError::Http(_) | ClientError::Broken { .. } | ClientError::Status { .. } => Exit::Io,
        _ => Exit::Failed,
    };
    DevChainError => |_| Exit::Io;
    ObjectError => |e| if matches!(e, ObjectError::Url { .. }) { Exit::Usage } else { Exit::Io };
    ServeError => |e| match e {
        ServeError::Chain(e) => chain(e),
        ServeError::NothingToServe | ServeError::Origin { .. } => Exit::Usage,
        _ => Exit::Io,
    };
    Invalid => |e| if e.is_input() { Exit::Input } else { Exit::Failed };
    BadInput => |_| Exit::Input;
    EngineError => |e| if matches!(e, EngineError::OutsideRange { .. }) { Exit::Input } else { Exit::Failed };
    assay_api::engine::native::AddModelError => |_| Exit::Input;
}

fn file(error: &FileError) -> Exit {
    match error {
        FileError::Read { .. } | FileError::Write { .. } => Exit::Io,
        _ => Exit::Input,
    }
}

fn input(error: &InputError) -> Exit {
    if matches!(error, InputError::Io { .. }) { Exit::Io } else { Exit::Input }
}

fn chain(error: &ChainError) -> Exit {
    match error {
        ChainError::Url { .. }
        | ChainError::WeakGovernance { .. }
        | ChainError::CollateralTooLow { .. }
        | ChainError::TreasuryProves { .. } => Exit::Usage,
        ChainError::InsufficientCredit { .. }
        | ChainError::Market(_)
        | ChainError::Reverted { .. }
        | ChainError::TransactionFailed { .. }
        | ChainError::NotListed { .. }
        | ChainError::WeightsTaken { .. }
        | ChainError::NoFactory { .. }
        | ChainError::OtherCode { .. }
        | ChainError::DevelopmentKey { .. } => Exit::Failed,
        _ => Exit::Io,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    /// A heading as GitHub and others make an anchor of it.
    fn anchor(heading: &str) -> String {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).map(|c| if c == ' ' { '-' } else { c }).collect()
    }

    #[test]
    fn pages_and_their_headings_are_there() {
        let text = "unknown-model".to_owned();
        let problem = assay_api::Problem { kind: text.clone(), title: text.clone(), status: 404, detail: text.clone(), code: text };
        let failures: Vec<Failure> = vec![
            CompileError::Input(InputError::EmptyShape).into(),
            CompileError::Option { option: "x", value: 1.0, min: 2.0, max: 3.0 }.into(),
            CompileError::Guard(GuardError::Io { path: PathBuf::new(), source: std::io::Error::other("x") }).into(),
            InputError::EmptyShape.into(),
            ClientError::Problem(problem).into(),
            BadInput("x".to_owned()).into(),
            ExecError::Inputs { have: 1, need: 2 }.into(),
            BatchError::Size.into(),
            DevChainError::NotFound.into(),
            ChainError::Url { url: String::new() }.into(),
            KeyError::Mismatch("x").into(),
            SrsError::Io(std::io::Error::other("x")).into(),
        ];
        for failure in failures {
            let page = failure.page().unwrap_or_else(|| panic!("{} has no page", failure.text()));
            let (file, heading) = page.split_once('#').unwrap_or((page, ""));
            let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap();
            assert!(heading.is_empty() || text.lines().any(|line| line.starts_with('#') && anchor(line) == heading), "{page}");
        }
        assert_eq!(Failure::message(Exit::Usage, "x").page(), None);
    }
}
