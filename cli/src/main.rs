//! The `assay` command: see `docs/cli.md`, or `assay --help`.

mod args;
mod batch;
mod card;
mod clamp;
mod commands;
mod committed;
mod device;
mod exit;
mod files;
mod generate;
mod inputs;
mod kept;
mod logs;
mod orders;
mod page;
mod powers;
mod proof_file;
mod trust;
mod ui;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use exit::{Exit, Failure, Outcome};
use std::process::ExitCode;
use ui::Ui;

/// Where the documentation is on the web.
const PAGES: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/");

/// Proofs take and give back vectors of megabytes all the time; this allocator keeps their pages, where the system's
/// hands them out anew, cleared, each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ui = Ui::new(cli.json);
    let page = cli.command.page();
    let failure = match run(&ui, cli.command) {
        Ok(()) => match ui.fault() {
            None => return ExitCode::SUCCESS,
            Some(error) => Failure::message(Exit::Io, format!("cannot write to stdout: {error}")),
        },
        Err(failure) => failure,
    };
    let (money, page) = (ui.aftermath(), failure.page(page));
    if ui.json && !ui.has_finished() {
        ui.print(serde_json::json!({ "error": failure.text(), "exit_code": failure.exit as u8, "money": money, "page": page }));
    }
    ui::say(format_args!("error: {}", failure.text()));
    if let Some(page) = page {
        ui::say(format_args!("more: {PAGES}{page}"));
    }
    if let Some(money) = money {
        ui::say(format_args!("money: {money}"));
    }
    ExitCode::from(failure.exit as u8)
}

fn run(ui: &Ui, command: Command) -> Outcome {
    if let Command::Completions(args) = command {
        let mut script = Vec::new();
        clap_complete::generate(args.shell, &mut Cli::command(), "assay", &mut script);
        // a reader that has gone away, as in `assay completions bash | head`, is no error
        let _ = std::io::Write::write_all(&mut std::io::stdout(), &script);
        return Ok(());
    }
    // these end at a signal by themselves, and say what happens meanwhile
    let serves = matches!(command, Command::Serve(_) | Command::Up(_) | Command::Worker(_));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| Failure::new(Exit::Io, e))?;
    let inside = runtime.enter();
    // spans that wait are sent before the runtime ends
    let _logs = logs::start(command.log_format(), if serves { "info" } else { "error" }, serves)?;
    if !serves {
        Ui::watch_interrupts();
    }
    match command {
        Command::Init(args) => commands::init::init(ui, args),
        Command::Compile(args) => commands::compile::compile(ui, args),
        Command::Recommit(args) => commands::recommit::recommit(ui, args),
        Command::Inspect(args) => commands::inspect::inspect(ui, args),
        Command::Explain(args) => commands::explain::explain(ui, args),
        Command::Operators(args) => commands::operators::operators(ui, &args),
        Command::Run(args) => commands::prove::run(ui, args),
        Command::Setup(args) => commands::keys::setup(ui, args),
        Command::Prove(args) => commands::prove::prove(ui, args),
        Command::Verify(args) => runtime.block_on(ui.until_cancelled(commands::prove::verify(ui, args))),
        Command::VerifyKey(args) => commands::keys::verify_key(ui, args),
        Command::Srs(args) => commands::srs::srs(ui, args),
        Command::Ceremony(args) => commands::phase2::ceremony(ui, args),
        Command::Deploy(args) => runtime.block_on(ui.until_cancelled(commands::deploy::deploy(ui, args))),
        Command::Publish(args) => runtime.block_on(ui.until_cancelled(commands::chain::publish(ui, args))),
        Command::Attest(args) => runtime.block_on(ui.until_cancelled(commands::chain::attest(ui, args))),
        Command::Veto(args) => runtime.block_on(ui.until_cancelled(commands::govern::veto(ui, args))),
        Command::Restore(args) => runtime.block_on(ui.until_cancelled(commands::govern::restore(ui, args))),
        Command::Attestors(args) => runtime.block_on(ui.until_cancelled(commands::govern::attestors(ui, args))),
        Command::Serve(args) => runtime.block_on(commands::serve::serve(ui, args)),
        Command::Up(args) => runtime.block_on(commands::up::up(ui, args)),
        Command::Worker(args) => runtime.block_on(commands::serve::work(ui, args)),
        Command::ApiKeys(command) => runtime.block_on(ui.until_cancelled(commands::api_keys::api_keys(ui, command))),
        Command::Backup(args) => runtime.block_on(ui.until_cancelled(commands::serve::backup(ui, args))),
        Command::Commit(args) => commands::request::commit(ui, args),
        Command::Request(args) => runtime.block_on(ui.until_cancelled(commands::request::request(ui, args))),
        Command::Mcp(args) => {
            let done = runtime.block_on(ui.until_cancelled(commands::mcp::mcp(ui, args)));
            // a read of stdin that nobody answers would keep the runtime
            drop(inside);
            runtime.shutdown_background();
            return done;
        }
        Command::Jobs(args) => runtime.block_on(ui.until_cancelled(commands::money::jobs(ui, args))),
        Command::Resume(args) => runtime.block_on(ui.until_cancelled(commands::request::resume(ui, args))),
        Command::Cancel(args) => runtime.block_on(ui.until_cancelled(commands::money::cancel(ui, args))),
        Command::Refund(args) => runtime.block_on(ui.until_cancelled(commands::money::refund(ui, args))),
        Command::Balance(args) => runtime.block_on(ui.until_cancelled(commands::money::balance(ui, args))),
        Command::Deposit(args) => runtime.block_on(ui.until_cancelled(commands::money::deposit(ui, args))),
        Command::Withdraw(args) => runtime.block_on(ui.until_cancelled(commands::money::withdraw(ui, args))),
        Command::Market(args) => runtime.block_on(ui.until_cancelled(commands::market::market(ui, args))),
        Command::Revoke(args) => runtime.block_on(ui.until_cancelled(commands::chain::revoke(ui, args))),
        Command::Demo(args) => runtime.block_on(ui.until_cancelled(commands::demo::demo(ui, args))),
        Command::Doctor(args) => runtime.block_on(ui.until_cancelled(commands::doctor::doctor(ui, args))),
        Command::Completions(_) => Ok(()),
    }
}
