//! How a command ends: an error, what kind it is, and the exit code that scripts see.

use crate::batch::BatchError;
use crate::inputs::BadInput;
use crate::page::Page;
use assay_api::ServeError;
use assay_api::chain::anvil::FetchError;
use assay_api::chain::dev::DevChainError;
use assay_api::chain::{ChainError, OrderError};
use assay_api::client::ClientError;
use assay_api::engine::EngineError;
use assay_api::engine::native::AddModelError;
use assay_api::objects::ObjectError;
use assay_api::orders::OrdersError;
use assay_api::receipt::ReceiptError;
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

    /// A failure with a message of its own. The page that says more is its command's.
    pub fn message(exit: Exit, message: impl std::fmt::Display) -> Self {
        Self { exit, error: anyhow::anyhow!("{message}") }
    }

    /// The same, with a page about just this.
    pub fn on(page: Page, exit: Exit, message: impl std::fmt::Display) -> Self {
        Self::new(exit, Said { page, message: message.to_string() })
    }

    /// The page of the documentation that says more, `of_command` if none is about just this.
    pub fn page(&self, of_command: Page) -> Option<&'static str> {
        if self.exit == Exit::Cancelled {
            return None;
        }
        if assay_api::tls::is_refused_certificate(self.error.as_ref()) {
            return Some(Page::Https.address());
        }
        Some(self.error.chain().find_map(page).unwrap_or(of_command).address())
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

/// `from!(Type => |e| kind, |e| page)`: the kind of a library's error, and the page that says more.
macro_rules! from {
    ($($error:ty => $kind:expr, $page:expr;)*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                let kind: fn(&$error) -> Exit = $kind;
                Self { exit: kind(&error), error: error.into() }
            }
        })*

        /// The page about an error, if it is of one of these types.
        fn page(error: &(dyn std::error::Error + 'static)) -> Option<Page> {
            $(if let Some(error) = error.downcast_ref::<$error>() {
                let page: fn(&$error) -> Option<Page> = $page;
                return page(error);
            })*
            None
        }

        /// The types, for the test that none is forgotten.
        #[cfg(test)]
        const TYPES: &[&str] = &[$(stringify!($error)),*];
    };
}

from! {
    std::io::Error => |_| Exit::Io, |_| Some(Page::Files);
    FileError => file, |_| Some(Page::Files);
    SrsError => |e| if matches!(e, SrsError::Io(_)) { Exit::Io } else { Exit::Input }, |_| Some(Page::Srs);
    CeremonyError => |e| match e {
        CeremonyError::Srs(SrsError::Io(_)) => Exit::Io,
        CeremonyError::Contribution { .. } | CeremonyError::LastPowers | CeremonyError::LastHash | CeremonyError::OtherBeacon => Exit::Failed,
        _ => Exit::Input,
    }, |_| Some(Page::Ceremonies);
    KeyError => |_| Exit::Failed, |_| Some(Page::Srs);
    ShownError => |_| Exit::Input, |_| Some(Page::Inputs);
    ProofError => |_| Exit::Failed, |_| Some(Page::InvalidProof);
    ExecError => |_| Exit::Input, |_| Some(Page::Inputs);
    InputError => input, |_| Some(Page::Inputs);
    CompileError => |e| match e {
        CompileError::Input(e) => input(e),
        CompileError::Guard(GuardError::Io { .. }) => Exit::Io,
        _ => Exit::Input,
    }, |e| Some(match e {
        CompileError::Import(_) | CompileError::Guard(_) => Page::Operators,
        CompileError::Input(_) | CompileError::Integer { .. } => Page::Inputs,
        _ => Page::Compiler,
    });
    InnerError => |e| if matches!(e, InnerError::Cancelled(_)) { Exit::Cancelled } else { Exit::Failed },
        |e| (!matches!(e, InnerError::Cancelled(_))).then_some(Page::Proving);
    WrapError => |e| if matches!(e, WrapError::Cancelled(_)) { Exit::Cancelled } else { Exit::Failed },
        |e| (!matches!(e, WrapError::Cancelled(_))).then_some(Page::Proving);
    ProveError => |e| match e {
        e if is_cancelled(e) => Exit::Cancelled,
        ProveError::Execute(_) | ProveError::NoWrapKey | ProveError::Blinding { .. } | ProveError::Inputs { .. } => Exit::Input,
        _ => Exit::Failed,
    }, |e| match e {
        e if is_cancelled(e) => None,
        ProveError::Execute(_) => Some(Page::Inputs),
        _ => Some(Page::Proving),
    };
    Cancelled => |_| Exit::Cancelled, |_| None;
    ChainError => chain, |_| Some(Page::Market);
    OrderError => |e| if let OrderError::Chain(e) = e { chain(e) } else { Exit::Failed },
        |e| Some(if let OrderError::Chain(_) = e { Page::Market } else { Page::Buying });
    ClientError => |e| match e {
        ClientError::Url { .. } | ClientError::Key => Exit::Usage,
        ClientError::Http(_) | ClientError::Broken { .. } | ClientError::Status { .. } => Exit::Io,
        _ => Exit::Failed,
    }, |e| Some(match e {
        ClientError::Problem(_) => Page::Problems,
        ClientError::NoProof { .. } => Page::Predictions,
        ClientError::WrongProof { .. } => Page::InvalidProof,
        _ => Page::Unreachable,
    });
    DevChainError => |_| Exit::Io, |_| Some(Page::Up);
    FetchError => |_| Exit::Io, |_| Some(Page::Up);
    ObjectError => |e| if matches!(e, ObjectError::Url { .. }) { Exit::Usage } else { Exit::Io }, |_| Some(Page::Bucket);
    ServeError => |e| match e {
        ServeError::Chain(e) => chain(e),
        ServeError::NothingToServe | ServeError::Origin { .. } => Exit::Usage,
        _ => Exit::Io,
    }, |e| Some(if let ServeError::Chain(_) = e { Page::Market } else { Page::Serving });
    OrdersError => |e| match e {
        OrdersError::Write { .. } | OrdersError::Read { .. } | OrdersError::Key(_) => Exit::Io,
        OrdersError::Several { .. } => Exit::Usage,
        _ => Exit::Input,
    }, |_| Some(Page::Market);
    ReceiptError => |e| match e {
        ReceiptError::Chain(e) => chain(e),
        ReceiptError::Invalid(e) if e.is_input() => Exit::Input,
        _ => Exit::Failed,
    }, |e| Some(match e {
        ReceiptError::Chain(_) | ReceiptError::NotSettled { .. } => Page::Market,
        ReceiptError::Missing { .. } => Page::Predictions,
        _ => Page::InvalidProof,
    });
    Invalid => |e| if e.is_input() { Exit::Input } else { Exit::Failed }, |_| Some(Page::InvalidProof);
    BadInput => |_| Exit::Input, |_| Some(Page::Inputs);
    EngineError => |e| if matches!(e, EngineError::OutsideRange { .. }) { Exit::Input } else { Exit::Failed },
        |e| Some(if matches!(e, EngineError::OutsideRange { .. }) { Page::Ranges } else { Page::Proving });
    AddModelError => |_| Exit::Input, |_| Some(Page::Serving);
    BatchError => |e| if matches!(e, BatchError::Size) { Exit::Usage } else { Exit::Input }, |_| Some(Page::Batches);
    Unhealthy => |_| Exit::Failed, |_| Some(Page::Doctor);
    Said => |_| Exit::Failed, |e| Some(e.page);
}

/// A message with a page about it.
#[derive(Debug)]
pub struct Said {
    page: Page,
    message: String,
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Said {}

/// What `assay doctor` found.
#[derive(Debug)]
pub struct Unhealthy(pub String);

impl std::fmt::Display for Unhealthy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unhealthy {}

fn is_cancelled(error: &ProveError) -> bool {
    matches!(
        error,
        ProveError::Cancelled(_)
            | ProveError::Inner(InnerError::Cancelled(_))
            | ProveError::Wrap(WrapError::Cancelled(_))
    )
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
    use alloy::primitives::B256;
    use assay_prover::control::Cancelled;
    use std::collections::BTreeSet;

    fn problem() -> assay_api::Problem {
        let text = "unknown-model".to_owned();
        assay_api::Problem { kind: text.clone(), title: text.clone(), status: 404, detail: text.clone(), code: text }
    }

    /// An error of each type that commands end with.
    fn samples() -> Vec<(&'static str, Failure)> {
        let io = || std::io::Error::other("x");
        vec![
            ("std::io::Error", io().into()),
            ("FileError", FileError::Read { source: io(), path: "x".into() }.into()),
            ("SrsError", SrsError::Io(io()).into()),
            ("CeremonyError", CeremonyError::LastHash.into()),
            ("KeyError", KeyError::Mismatch("x").into()),
            ("ShownError", ShownError::TooWide { at: 0, value: 1 }.into()),
            ("ProofError", ProofError::Pairing.into()),
            ("ExecError", ExecError::Inputs { have: 1, need: 2 }.into()),
            ("InputError", InputError::EmptyShape.into()),
            ("CompileError", CompileError::Option { option: "x", value: 1.0, min: 2.0, max: 3.0 }.into()),
            ("InnerError", InnerError::SrsTooSmall { have: 1, need: 2 }.into()),
            ("WrapError", WrapError::WrongKey.into()),
            ("ProveError", ProveError::NoWrapKey.into()),
            ("Cancelled", Cancelled.into()),
            ("ChainError", ChainError::Url { url: String::new() }.into()),
            ("OrderError", OrderError::Chain(ChainError::Url { url: String::new() }).into()),
            ("ClientError", ClientError::Problem(problem()).into()),
            ("DevChainError", DevChainError::NotFound.into()),
            ("FetchError", FetchError::Tls.into()),
            ("ObjectError", ObjectError::Url { url: String::new() }.into()),
            ("OrdersError", OrdersError::Several { job: String::new(), count: 2 }.into()),
            ("ReceiptError", ReceiptError::OtherJobs.into()),
            ("ServeError", ServeError::NothingToServe.into()),
            ("Invalid", Invalid::NoKey.into()),
            ("BadInput", BadInput("x".to_owned()).into()),
            ("EngineError", EngineError::UnknownModel { id: B256::ZERO }.into()),
            ("AddModelError", AddModelError::WrongKey.into()),
            ("BatchError", BatchError::Size.into()),
            ("Unhealthy", Unhealthy("x".to_owned()).into()),
            ("Said", Failure::on(Page::Files, Exit::Input, "x")),
        ]
    }

    #[test]
    fn every_type_of_error_has_a_page() {
        let samples = samples();
        let names: BTreeSet<&str> = samples.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, TYPES.iter().copied().collect(), "an error of each type");
        for (name, failure) in samples {
            // who stops a command needs no page about it
            assert_eq!(
                failure.page(Page::Command).is_some_and(|page| page != "docs/cli.md"),
                name != "Cancelled",
                "{name}"
            );
        }
        assert_eq!(Failure::message(Exit::Usage, "x").page(Page::Demo), Some("docs/cli.md#the-demo"));
    }

    #[test]
    fn the_page_is_about_what_went_wrong() {
        let page = |failure: Failure| failure.page(Page::Command);
        assert_eq!(page(ClientError::Broken { times: 2 }.into()), Some("docs/errors.md#a-service-cannot-be-reached"));
        assert_eq!(page(ClientError::Problem(problem()).into()), Some("docs/api.md#errors"));
        assert_eq!(page(ProveError::Cancelled(Cancelled).into()), None);
        let inside: Outcome = Err::<(), _>(ProofError::Pairing).context("proof.json");
        assert_eq!(page(inside.unwrap_err()), Some("docs/errors.md#a-proof-does-not-hold"));
    }
}
