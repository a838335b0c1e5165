//! `sidelab explain`.

use anyhow::{Context, Result};
use mesh::model::Family;

use super::{OK, print_json};
use crate::{
    cli::{ExplainArgs, MeshChoice, Output},
    manifests, predict,
    report::explain,
};

pub(super) fn explain(args: &ExplainArgs) -> Result<u8> {
    let (host, port) = predict::destination(&args.to).context("--to")?;
    let family = args.ipv6.then_some(Family::Ipv6);
    let mut accounts = Vec::new();
    for mesh in manifests::resolve_files(&args.files, &args.mesh.flavors())? {
        let from = manifests::find_pod(&mesh, &args.from, &args.namespace).context("--from")?;
        accounts.push(predict::call(&mesh, from, &host, port, family, args.app)?);
    }
    match args.output.output {
        Output::Json if args.mesh == MeshChoice::Both => print_json(&accounts)?,
        Output::Json => accounts.iter().try_for_each(print_json)?,
        Output::Table => {
            for account in &accounts {
                anstream::println!("{}", explain::render(account));
            }
        }
    }
    Ok(OK)
}
