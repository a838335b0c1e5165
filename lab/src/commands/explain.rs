//! `sidelab explain`.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use http::Method;
use mesh::{
    account::{Account, AppProtocol, AppSpeaks, Note, NoteKind},
    model::Family,
    predict::{Call, ServerApp, predict_dumps},
};

use super::{OK, opened::Opened, print_json};
use crate::{
    cli::{ExplainArgs, MeshChoice, Output},
    control_plane, dumps, injection, manifests,
    predict::{Manifests, destination},
    report::explain,
    request::Asked,
    scenario::fits,
    stand_ins::{self, Images},
    terminal::{self, outln},
};

pub(super) fn explain(args: &ExplainArgs) -> Result<u8> {
    let (host, port) = destination(&args.to).context("--to")?;
    let of_tls = [("--sni", args.sni.is_some()), ("--no-verify", args.no_verify), ("--cert", args.cert.is_some())];
    if let Some((option, _)) = of_tls.iter().find(|(_, set)| *set && args.app.sends != AppProtocol::Https) {
        bail!("{option}: only the TLS of --app https has one");
    }
    let app = args.app.sends;
    let connects = (args.method == Some(Method::CONNECT)).then_some(AppSpeaks::Connect);
    let speaks = args.speaks.or(args.app.speaks).or(connects);
    fits(app, speaks).map_err(|message| anyhow!("--speaks: {}", message.replace("`app: ", "`--app ")))?;
    let (method, path, authority) = (args.method.clone(), args.path.clone(), args.host.clone());
    let asked = Asked::new(method, path, authority, args.headers.iter().cloned(), app, speaks);
    let asked = asked.map_err(|message| anyhow!("--{message}"))?;
    let call = Call {
        speaks,
        authority: asked.authority,
        method: asked.method,
        path: asked.path,
        headers: asked.headers,
        sni: args.sni.clone(),
        verify: !args.no_verify,
        certificate: args.cert.clone(),
        family: args.ipv6.then_some(Family::Ipv6),
        server_app: args.app_speaks.map(ServerApp::speaking),
        subset: args.subset.clone(),
        ..Call::new(0, host, port, app)
    };
    let accounts = match &args.config_dump[..] {
        [] if args.files.is_empty() => vec![from_lab(args, &call)?],
        [] => from_manifests(args, &call)?,
        [client, server] => {
            vec![predict_dumps(&dumps::read(client)?, &dumps::read(server)?, &call)?]
        }
        _ => bail!("--config-dump needs two files, separated by a comma: the client's, then the server's"),
    };
    match args.output.output {
        Output::Json if args.mesh == MeshChoice::Both => print_json(&accounts)?,
        Output::Json => accounts.iter().try_for_each(print_json)?,
        Output::Table => {
            for account in &accounts {
                outln!("{}", explain::render(account, terminal::columns(usize::MAX)))?;
            }
        }
    }
    Ok(OK)
}

/// The account of a call in a lab that is up, whose stand-ins answer.
fn from_lab(args: &ExplainArgs, call: &Call) -> Result<Account> {
    let opened = Opened::new(&args.lab).context("without -f, a call in a lab is explained")?;
    let from = manifests::find_pod(&opened.mesh, &args.from, &args.namespace).context("--from")?;
    let mut account = opened.predict(&Call { from, ..call.clone() })?;
    let faults = opened.record.faults.iter().map(|fault| Note::new(NoteKind::NotModelled, fault.to_string()));
    account.notes.extend(faults);
    Ok(account)
}

fn from_manifests(args: &ExplainArgs, call: &Call) -> Result<Vec<Account>> {
    let manifests = Manifests::read(&args.files, &args.from, &args.namespace, (&call.host, call.port))?;
    // The prediction is about the real programs; in a lab, stand-ins would run instead of these.
    let mut in_a_lab = Arc::clone(&manifests.resolved);
    let vacancies = Images::from_args(&args.stand_ins)?.apply(&mut in_a_lab)?;
    stand_ins::print(&in_a_lab, &vacancies, "in a lab, ");
    injection::print_hint(&manifests.resolved);
    let control_plane = (&args.control_plane).into();
    let flavors = control_plane::flavors(control_plane, Some(args.mesh.flavors()), &[])?;
    let meshes = manifests::meshes(&manifests.resolved, &flavors).into_iter().map(|mesh| (mesh, &manifests.files[..]));
    let meshes = control_plane::apply(control_plane, meshes.collect())?;
    meshes.iter().map(|mesh| manifests.predict(mesh, call)).collect()
}
