use super::*;

#[test]
fn every_service_has_its_endpoint_and_both_its_ports() {
    let services = 120;
    let mesh = resolve_mesh(&read(&manifests(services, 2)));
    assert_eq!(mesh.services.len(), services);
    let config = compile_client(&mesh);
    let outbound = config.clusters.iter().filter(|cluster| cluster.name.starts_with("outbound|")).count();
    assert_eq!(outbound, 2 * services);
    let reached = config.endpoints.iter().filter(|endpoints| !endpoints.endpoints.is_empty()).count();
    assert!(reached >= 2 * services, "{reached}");
}
