//! How a command ends: an error, what kind it is, and the exit code that scripts see.

use assay_api::ServeError;
use assay_api::chain::dev::DevChainError;
use assay_api::chain::{ChainError, OrderError};
use assay_api::client::ClientError;
use assay_api::engine::EngineError;
use assay_circuits::exec::ExecError;
use assay_compiler::{CompileError, GuardError, InputError};
use assay_prover::control::Cancelled;
use assay_prover::inner::InnerError;
use assay_prover::key::KeyError;
use assay_prover::native::ProofError;
use assay_prover::package::FileError;
use assay_prover::seller::ProveError;
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
    KeyError => |_| Exit::Failed;
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
        ClientError::Url { .. } => Exit::Usage,
        ClientError::Http(_) | ClientError::Broken { .. } | ClientError::Status { .. } => Exit::Io,
        _ => Exit::Failed,
    };
    DevChainError => |_| Exit::Io;
    ServeError => |e| match e {
        ServeError::Chain(e) => chain(e),
        ServeError::NothingToServe => Exit::Usage,
        _ => Exit::Io,
    };
    Invalid => |e| if e.is_input() { Exit::Input } else { Exit::Failed };
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
        ChainError::Market(_)
        | ChainError::Reverted { .. }
        | ChainError::TransactionFailed { .. }
        | ChainError::NotListed { .. }
        | ChainError::WeightsTaken { .. }
        | ChainError::DevelopmentKey { .. } => Exit::Failed,
        _ => Exit::Io,
    }
}
