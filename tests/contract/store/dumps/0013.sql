BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0013');
CREATE TABLE appliance (
	id TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	host TEXT NOT NULL, 
	address TEXT NOT NULL, 
	port INTEGER NOT NULL, 
	entered TEXT NOT NULL, 
	condition TEXT NOT NULL, 
	cause TEXT NOT NULL, 
	since TEXT, 
	asked TEXT, 
	seen TEXT, 
	agent TEXT, 
	serial TEXT, 
	begins TEXT, 
	ends TEXT, 
	mode TEXT, 
	intended TEXT, 
	generation INTEGER, 
	epoch INTEGER, 
	trusts TEXT NOT NULL, 
	CONSTRAINT pk_appliance PRIMARY KEY (id), 
	CONSTRAINT uq_appliance_tenant_host UNIQUE (tenant, host)
)
 STRICT

;
INSERT INTO "appliance" VALUES('acme-esx1','acme','esx1','203.0.113.10',8443,'2026-01-02T03:04:05.000000+00:00','unknown','',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'');
CREATE TABLE audit (
	number INTEGER NOT NULL, 
	at TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	action TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	previous TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	CONSTRAINT pk_audit PRIMARY KEY (number)
)
 STRICT

;
INSERT INTO "audit" VALUES(1,'2026-01-02T03:04:05.000000+00:00','anna','inventory.replace','revision 1','6a4effe6045d2d3e2776d921e53a1a35e8c33beda7259c6c799950880b6e0667','0000000000000000000000000000000000000000000000000000000000000000','1faf88766c2ec965137bacd1c666f5d58b8d9da1489f4e44c1a5ef9024420f77');
INSERT INTO "audit" VALUES(2,'2026-01-02T03:04:05.000000+00:00','anna','master-key.enter','1','','1faf88766c2ec965137bacd1c666f5d58b8d9da1489f4e44c1a5ef9024420f77','a9b75645299dba44e7fcf757f88a46624f7d1618efc02447b8b602cac1a7a931');
INSERT INTO "audit" VALUES(3,'2026-01-02T03:04:05.000000+00:00','anna','secret.put','hypervisor/esx1','','a9b75645299dba44e7fcf757f88a46624f7d1618efc02447b8b602cac1a7a931','5ea63cf3a45613230772f321fd39fdde4c87d2d8969f7855faf135ea4d00c859');
INSERT INTO "audit" VALUES(4,'2026-01-02T03:04:05.000000+00:00','anna','token.make','token 000000000000','auditor bert of acme','5ea63cf3a45613230772f321fd39fdde4c87d2d8969f7855faf135ea4d00c859','06edb34f912477322092ba7fe4f786f5af9a085023738ddcc4ba9798810942bb');
INSERT INTO "audit" VALUES(5,'2026-01-02T03:04:05.000000+00:00','anna','authority.make','vpn/acme/1','','06edb34f912477322092ba7fe4f786f5af9a085023738ddcc4ba9798810942bb','bc21b2186802df8cd22cb07d9975b1ed8e3727342bf3b5d7931f2e7855844e2d');
INSERT INTO "audit" VALUES(6,'2026-01-02T03:04:05.000000+00:00','test','authority.make','member/causeway/1','','bc21b2186802df8cd22cb07d9975b1ed8e3727342bf3b5d7931f2e7855844e2d','ff3202cb637dd0c163de2c2f3474de20bafd9958338ce4bec975c82f0bc5d74d');
INSERT INTO "audit" VALUES(7,'2026-01-02T03:04:05.000000+00:00','test','peer-key.make','key 5c94613d66dc75905bae176c2c845414e7d47ce475922038fd36689cbf9b21ad','','ff3202cb637dd0c163de2c2f3474de20bafd9958338ce4bec975c82f0bc5d74d','2a74b62bce31e7c0278f7a0543b9ae92aad1e19fe98733da33c9f70584ff4b12');
INSERT INTO "audit" VALUES(8,'2026-01-02T03:04:05.000000+00:00','anna','invitation.make','invitation 000000000000','acme','2a74b62bce31e7c0278f7a0543b9ae92aad1e19fe98733da33c9f70584ff4b12','ee36fafb7f7f55378e5e74f99032ee33d5d04bb589c4e788407e5d6a282b98d0');
INSERT INTO "audit" VALUES(9,'2026-01-02T03:04:05.000000+00:00','acme','invitation.accept','invitation 000000000000','acme, key b29237faa68d20d1bb5c0c876f4457a8ce4a183fedbd517f797c806d0c235b89','ee36fafb7f7f55378e5e74f99032ee33d5d04bb589c4e788407e5d6a282b98d0','f99aeb4b325906b78806d0b38fdcd567b910f1ff92e85b2335955c471dcc973e');
INSERT INTO "audit" VALUES(10,'2026-01-02T03:04:05.000000+00:00','anna','provider.join','provider north','','f99aeb4b325906b78806d0b38fdcd567b910f1ff92e85b2335955c471dcc973e','af57d1fb3cbdf2a3b21f8e4ddc55e73f13e2e7610d9d602a9f4e7b5503de0b78');
CREATE TABLE audit_head (
	id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	hash TEXT NOT NULL, 
	CONSTRAINT pk_audit_head PRIMARY KEY (id), 
	CONSTRAINT ck_audit_head_ck_audit_head_only_row CHECK (id = 1)
)
 STRICT

;
INSERT INTO "audit_head" VALUES(1,10,'af57d1fb3cbdf2a3b21f8e4ddc55e73f13e2e7610d9d602a9f4e7b5503de0b78');
CREATE TABLE authority (
	kind TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	generation INTEGER NOT NULL, 
	certificate TEXT NOT NULL, 
	not_before TEXT NOT NULL, 
	not_after TEXT NOT NULL, 
	trusted TEXT, 
	retired TEXT, 
	CONSTRAINT pk_authority PRIMARY KEY (kind, owner, generation)
)
 STRICT

;
INSERT INTO "authority" VALUES('vpn','acme',1,'-----BEGIN CERTIFICATE-----
MIIB1DCCAXmgAwIBAgIUNVHLd9hfeW/L3nqrVoWIu+NjY+UwCgYIKoZIzj0EAwIw
JTENMAsGA1UECgwEYWNtZTEUMBIGA1UEAwwLYWNtZSB2cG4gY2EwHhcNMjYwMTAy
MDIwNDA1WhcNMzUxMjMxMDMwNDA1WjAlMQ0wCwYDVQQKDARhY21lMRQwEgYDVQQD
DAthY21lIHZwbiBjYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABASUm+L7QJoq
08XnBWh4VozuQReyJH6KeLt7Y1vS2VS73kdk+N7lRW0PFeU0CS0Yvztfv6X0J3n7
m2/d1ukSRwWjgYYwgYMwHQYDVR0OBBYEFEIn4uvVDXiC4aWah/hDdbYG+c0EMB8G
A1UdIwQYMBaAFEIn4uvVDXiC4aWah/hDdbYG+c0EMBIGA1UdEwEB/wQIMAYBAf8C
AQAwDgYDVR0PAQH/BAQDAgEGMB0GA1UdJQQWMBQGCCsGAQUFBwMBBggrBgEFBQcD
AjAKBggqhkjOPQQDAgNJADBGAiEA0effo2sZ+3ShhNXdNmlOgeDs0g5K+m7PfHCF
VtexNw8CIQDMK6OI7TgHl/2b2jAro+KS64hRKh387YYRnU7dbiBM8w==
-----END CERTIFICATE-----
','2026-01-02T02:04:05.000000+00:00','2035-12-31T03:04:05.000000+00:00','2026-01-02T03:04:05.000000+00:00',NULL);
INSERT INTO "authority" VALUES('member','causeway',1,'-----BEGIN CERTIFICATE-----
MIIBuTCCAV+gAwIBAgIUR8eS19WN+ru2ld15u0pFZ6I+1lkwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTbWVtYmVycyBvZiBjYXVzZXdheTAeFw0yNjAxMDIwMjA0MDVa
Fw0zNTEyMzEwMzA0MDVaMB4xHDAaBgNVBAMME21lbWJlcnMgb2YgY2F1c2V3YXkw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARNHeVGriDVDfpIAKuVADOECp7s++mG
kJET+may/uifKVsEiN2JOB0gn2SOybF0rrUdisBCqMx10xPfcXNiCNAbo3sweTAd
BgNVHQ4EFgQUy1AROUGQN6zSJeksrJbF/qvU85kwHwYDVR0jBBgwFoAUy1AROUGQ
N6zSJeksrJbF/qvU85kwEgYDVR0TAQH/BAgwBgEB/wIBADAOBgNVHQ8BAf8EBAMC
AQYwEwYDVR0lBAwwCgYIKwYBBQUHAwIwCgYIKoZIzj0EAwIDSAAwRQIgCBFi35L1
GidRwb/GlZYaHHcTJH5VwRlDTF/mf/DI8BcCIQC1Fx6XL3hGdj57ZoOdjPTS7OKc
b9F6ekAv4V/By3bQYQ==
-----END CERTIFICATE-----
','2026-01-02T02:04:05.000000+00:00','2035-12-31T03:04:05.000000+00:00','2026-01-02T03:04:05.000000+00:00',NULL);
CREATE TABLE certificate (
	serial TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	slot TEXT NOT NULL, 
	purpose TEXT NOT NULL, 
	name TEXT NOT NULL, 
	appliance TEXT, 
	tenant TEXT, 
	tunnel TEXT, 
	kind TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	generation INTEGER NOT NULL, 
	not_before TEXT NOT NULL, 
	not_after TEXT NOT NULL, 
	pem TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	at TEXT NOT NULL, "key" TEXT, 
	CONSTRAINT pk_certificate PRIMARY KEY (serial), 
	CONSTRAINT fk_certificate_kind FOREIGN KEY(kind, owner, generation) REFERENCES authority (kind, owner, generation), 
	CONSTRAINT uq_certificate_number UNIQUE (number), 
	CONSTRAINT uq_certificate_slot_number UNIQUE (slot, number)
)
 STRICT

;
INSERT INTO "certificate" VALUES('7f05affe04ab811097920e40af49a5dc7bbd97a1',1,'client/acme/t1','client','acme-lan-tenant',NULL,'acme','t1','vpn','acme',1,'2026-01-02T02:04:05.000000+00:00','2027-02-03T03:04:05.000000+00:00','-----BEGIN CERTIFICATE-----
MIIBtjCCAVygAwIBAgIUfwWv/gSrgRCXkg5Ar0ml3Hu9l6EwCgYIKoZIzj0EAwIw
JTENMAsGA1UECgwEYWNtZTEUMBIGA1UEAwwLYWNtZSB2cG4gY2EwHhcNMjYwMTAy
MDIwNDA1WhcNMjcwMjAzMDMwNDA1WjAaMRgwFgYDVQQDDA9hY21lLWxhbi10ZW5h
bnQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASNRsK1RS67mT27MdClAGr7JJCt
muE5SYkmRC/D1Vu7U9rKP3wHgEis0im5tzCoNqGft21dGf0pMHtSvdzj363Ho3Uw
czAdBgNVHQ4EFgQUNG9j4hbsD2NrcMQKlx64sN/SPiMwHwYDVR0jBBgwFoAUQifi
69UNeILhpZqH+EN1tgb5zQQwDAYDVR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMCB4Aw
EwYDVR0lBAwwCgYIKwYBBQUHAwIwCgYIKoZIzj0EAwIDSAAwRQIgVW7AFTnoW7pb
G4j9QtPIrjKbDWNnMgmliaNY9tDH88QCIQCap/mTPO5flkexpR5qLUOEzGeUPrmz
zJlYTXm2HKUFZQ==
-----END CERTIFICATE-----
','anna','2026-01-02T03:04:05.000000+00:00',NULL);
INSERT INTO "certificate" VALUES('4fe60d4c5974b214067bbb31511a570285de3399',2,'member/acme','member','acme',NULL,NULL,NULL,'member','causeway',1,'2026-01-02T02:04:05.000000+00:00','2027-02-03T03:04:05.000000+00:00','-----BEGIN CERTIFICATE-----
MIIByjCCAXGgAwIBAgIUT+YNTFl0shQGe7sxURpXAoXeM5kwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTbWVtYmVycyBvZiBjYXVzZXdheTAeFw0yNjAxMDIwMjA0MDVa
Fw0yNzAyMDMwMzA0MDVaMA8xDTALBgNVBAMMBGFjbWUwWTATBgcqhkjOPQIBBggq
hkjOPQMBBwNCAAQ/e0w8QzXBP4PecGLVzRA1A4rs5+GHhD2WgKKxY0/tkn0Cko0x
dQC7p09flmBYrZcNPHBwN7OcLnn+CsW1xb8Vo4GbMIGYMB0GA1UdDgQWBBQel82E
FrnFY3OcU8NkBxn9Fp9RgzAfBgNVHSMEGDAWgBTLUBE5QZA3rNIl6SyslsX+q9Tz
mTAMBgNVHRMBAf8EAjAAMA4GA1UdDwEB/wQEAwIHgDATBgNVHSUEDDAKBggrBgEF
BQcDAjAjBgNVHREEHDAahhh1cm46Y2F1c2V3YXk6bWVtYmVyOmFjbWUwCgYIKoZI
zj0EAwIDRwAwRAIgaV3AqGRbODL/atG4+y/vDbxm3AhUdbvsfjRH/nGzd94CIE8y
8iCvzYJRYdH4lDIAJ3jFLxJ3bZ82JcrTIu2weWLu
-----END CERTIFICATE-----
','acme','2026-01-02T03:04:05.000000+00:00',NULL);
CREATE TABLE certificate_event (
	serial TEXT NOT NULL, 
	event TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	at TEXT NOT NULL, 
	CONSTRAINT pk_certificate_event PRIMARY KEY (serial, event), 
	CONSTRAINT fk_certificate_event_serial FOREIGN KEY(serial) REFERENCES certificate (serial)
)
 STRICT

;
INSERT INTO "certificate_event" VALUES('7f05affe04ab811097920e40af49a5dc7bbd97a1','installed','','anna','2026-01-02T03:04:05.000000+00:00');
CREATE TABLE controller (
	name TEXT NOT NULL, 
	until INTEGER NOT NULL, 
	CONSTRAINT pk_controller PRIMARY KEY (name)
)
 STRICT

;
INSERT INTO "controller" VALUES('controller-1',1796022558467);
CREATE TABLE counter (
	kind TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	last INTEGER NOT NULL, 
	CONSTRAINT pk_counter PRIMARY KEY (kind, owner)
)
 STRICT

;
INSERT INTO "counter" VALUES('generation','acme-esx1',41);
INSERT INTO "counter" VALUES('epoch','acme/esx1',1);
INSERT INTO "counter" VALUES('ledger','certificates',2);
CREATE TABLE entry (
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	place INTEGER NOT NULL, 
	document TEXT NOT NULL, 
	CONSTRAINT pk_entry PRIMARY KEY (kind, name)
)
 STRICT

;
INSERT INTO "entry" VALUES('hosts','esx1',0,'{"id":"esx1","kind":"vsphere","endpoint":"https://esx1.example/sdk","storage":{"id":"datastore-1","kind":"datastore"},"login":"esx1","folder":"Cloud_Connect_Replication","rebuild":"safe"}');
INSERT INTO "entry" VALUES('vlan_pools','net',0,'{"id":"net","host":"esx1","switch":"dvs-7","network_class":"internet","first":100,"last":149}');
INSERT INTO "entry" VALUES('vlan_pools','iso',1,'{"id":"iso","host":"esx1","switch":"dvs-7","network_class":"isolated","first":150,"last":199}');
INSERT INTO "entry" VALUES('public_pools','v4',0,'{"id":"v4","first":"198.51.100.10","last":"198.51.100.99"}');
INSERT INTO "entry" VALUES('gateways','gw1',0,'{"id":"gw1","host":"esx1","public":["198.51.100.2/24"],"inside":["203.0.113.2/24"],"gateways":[],"public_network":"public","inside_network":"inside"}');
INSERT INTO "entry" VALUES('gateway_pools','edge',0,'{"id":"edge","name":"gw.example","gateways":["gw1"],"port":6180}');
INSERT INTO "entry" VALUES('hardware_plans','small',0,'{"id":"small","host":"esx1","networks":[{"id":"n1","network_class":"internet"},{"id":"n2","network_class":"isolated"}],"quotas":{}}');
INSERT INTO "entry" VALUES('hardware_plans','large',1,'{"id":"large","host":"esx1","networks":[{"id":"n1","network_class":"internet"},{"id":"n2","network_class":"isolated"},{"id":"n3","network_class":"internet"}],"quotas":{}}');
INSERT INTO "entry" VALUES('tenants','acme',0,'{"id":"acme","platform":"vsphere","gateway_pool":"edge","description":"","full_failover_by":["tenant","provider"],"public_addresses":["198.51.100.11"],"more_public_ipv4":1,"more_public_ipv6":0,"test_addresses":[],"networks":[{"id":"lan","prefixes":["192.168.10.0/24"],"gateways":["192.168.10.1"],"tenant_end":{"tunnel":"lan-tunnel","address":{"assignment":"dhcp"}}},{"id":"dmz","prefixes":["192.168.20.0/24"],"gateways":["192.168.20.1"],"tenant_end":{"tunnel":"dmz-tunnel","address":{"assignment":"dhcp"}}}],"subscriptions":[{"plan":"small","uplink":{"network":"network-3","address":{"assignment":"static","addresses":["203.0.113.10/24"],"gateways":["203.0.113.1"]}},"networks":[{"plan_network":"n1","network":"lan","extension":"routed","appliance_addresses":[]}],"adapters":"access"},{"plan":"large","uplink":{"network":"network-3","address":{"assignment":"static","addresses":["203.0.113.10/24"],"gateways":["203.0.113.1"]}},"networks":[{"plan_network":"n1","network":"dmz","extension":"routed","appliance_addresses":[]}],"adapters":"access"}],"vms":[{"name":"web1","network":"lan","addresses":["192.168.10.11"],"macs":[],"replica":{"host":"esx1","vm_id":"vm-web1"}},{"name":"db1","network":"lan","addresses":["192.168.10.12"],"macs":[],"replica":{"host":"esx1","vm_id":"vm-db1"}}],"stale_after":86400,"failover_plans":[{"id":"site","entries":[{"vm":"db1","priority":1,"after":[],"delay":0.0},{"vm":"web1","priority":3,"after":["db1"],"delay":0.0}],"parallel":10,"routed":[],"rules":[{"id":"web","public_address":"198.51.100.11","public_port":443,"internal_address":"192.168.10.11","internal_port":443,"protocol":"tcp","public_port_end":null,"sources":[],"vm":null,"description":""}],"hooks":{}}]}');
CREATE TABLE half (
	tenant TEXT NOT NULL, 
	name TEXT NOT NULL, 
	epoch INTEGER NOT NULL, 
	run TEXT, 
	held INTEGER NOT NULL, 
	asked INTEGER NOT NULL, 
	seconds INTEGER NOT NULL, 
	given INTEGER NOT NULL, 
	word TEXT, 
	at TEXT NOT NULL, 
	CONSTRAINT pk_half PRIMARY KEY (tenant, name), 
	CONSTRAINT uq_half_run UNIQUE (run)
)
 STRICT

;
CREATE TABLE idempotency (
	caller TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	answer TEXT, 
	at TEXT NOT NULL, 
	CONSTRAINT pk_idempotency PRIMARY KEY (caller, "key")
)
 STRICT

;
INSERT INTO "idempotency" VALUES('anna','key','0000000000000000000000000000000000000000000000000000000000000000',NULL,'2026-01-02T03:04:05.000000+00:00');
CREATE TABLE inventory_head (
	id INTEGER NOT NULL, 
	revision INTEGER NOT NULL, 
	CONSTRAINT pk_inventory_head PRIMARY KEY (id), 
	CONSTRAINT ck_inventory_head_ck_inventory_head_only_row CHECK (id = 1)
)
 STRICT

;
INSERT INTO "inventory_head" VALUES(1,1);
CREATE TABLE inventory_revision (
	number INTEGER NOT NULL, 
	digest TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	at TEXT NOT NULL, 
	CONSTRAINT pk_inventory_revision PRIMARY KEY (number)
)
 STRICT

;
INSERT INTO "inventory_revision" VALUES(1,'6a4effe6045d2d3e2776d921e53a1a35e8c33beda7259c6c799950880b6e0667','anna','2026-01-02T03:04:05.000000+00:00');
CREATE TABLE invitation (
	id TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	made TEXT NOT NULL, 
	made_by TEXT NOT NULL, 
	expires TEXT NOT NULL, 
	revoked TEXT, 
	accepted TEXT, 
	"key" TEXT, 
	serial TEXT, 
	alarms INTEGER NOT NULL, 
	alarm_at TEXT, 
	alarm_from TEXT, 
	CONSTRAINT pk_invitation PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "invitation" VALUES('000000000000','acme','67cdbb8456b32fc3646af94cb7e75e3c807faec05bd20664d393515378f849f8','2026-01-02T03:04:05.000000+00:00','anna','2026-01-03T03:04:05.000000+00:00',NULL,'2026-01-02T03:04:05.000000+00:00','b29237faa68d20d1bb5c0c876f4457a8ce4a183fedbd517f797c806d0c235b89','4fe60d4c5974b214067bbb31511a570285de3399',0,NULL,NULL);
CREATE TABLE mac_lease (
	tenant TEXT NOT NULL, 
	host TEXT NOT NULL, 
	adapter TEXT NOT NULL, 
	mac TEXT NOT NULL, 
	place INTEGER NOT NULL, 
	CONSTRAINT pk_mac_lease PRIMARY KEY (tenant, host, adapter), 
	CONSTRAINT uq_mac_lease_mac UNIQUE (mac)
)
 STRICT

;
INSERT INTO "mac_lease" VALUES('acme','esx1','uplink','a6:f3:89:bd:cd:29',0);
INSERT INTO "mac_lease" VALUES('acme','esx1','small/n1','ee:e3:5a:f7:f1:91',1);
INSERT INTO "mac_lease" VALUES('acme','esx1','small/n2','ea:2b:d9:4d:be:6f',2);
INSERT INTO "mac_lease" VALUES('acme','esx1','large/n1','96:7d:66:6b:60:d0',3);
INSERT INTO "mac_lease" VALUES('acme','esx1','large/n2','ea:15:8c:27:62:69',4);
INSERT INTO "mac_lease" VALUES('acme','esx1','large/n3','a2:68:7e:b8:ae:89',5);
CREATE TABLE master_key (
	number INTEGER NOT NULL, 
	salt TEXT NOT NULL, 
	proof TEXT NOT NULL, 
	at TEXT NOT NULL, 
	CONSTRAINT pk_master_key PRIMARY KEY (number)
)
 STRICT

;
INSERT INTO "master_key" VALUES(1,'o2UWe3CMT0pHpwk21K+FksHfoFDnKoNLUO1c9Po6OxY=','AQAB5vNAGOiiFoy2IvAmy6rFb2WsyIbdNJewx4ItgTdV6ONFKQ2ymc8djkk9QA==','2026-01-02T03:04:05.000000+00:00');
CREATE TABLE member (
	tenant TEXT NOT NULL, 
	joined TEXT NOT NULL, 
	seen TEXT, 
	knows TEXT, 
	CONSTRAINT pk_member PRIMARY KEY (tenant)
)
 STRICT

;
INSERT INTO "member" VALUES('acme','2026-01-02T03:04:05.000000+00:00',NULL,NULL);
CREATE TABLE open_run (
	tenant TEXT NOT NULL, 
	host TEXT NOT NULL, 
	run TEXT NOT NULL, 
	CONSTRAINT pk_open_run PRIMARY KEY (tenant, host), 
	CONSTRAINT fk_open_run_run FOREIGN KEY(run) REFERENCES run (id), 
	CONSTRAINT uq_open_run_run UNIQUE (run)
)
 STRICT

;
INSERT INTO "open_run" VALUES('acme','esx1','r1');
CREATE TABLE peer_key (
	number INTEGER NOT NULL, 
	pin TEXT NOT NULL, 
	made TEXT NOT NULL, 
	used TEXT, 
	CONSTRAINT pk_peer_key PRIMARY KEY (number)
)
 STRICT

;
INSERT INTO "peer_key" VALUES(1,'5c94613d66dc75905bae176c2c845414e7d47ce475922038fd36689cbf9b21ad','2026-01-02T03:04:05.000000+00:00','2026-01-02T03:04:05.000000+00:00');
CREATE TABLE provider_link (
	name TEXT NOT NULL, 
	url TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	state TEXT NOT NULL, 
	pins TEXT NOT NULL, 
	certificate TEXT, 
	joined TEXT, 
	seen TEXT, 
	trouble TEXT, 
	CONSTRAINT pk_provider_link PRIMARY KEY (name)
)
 STRICT

;
INSERT INTO "provider_link" VALUES('north','https://dr.example:8445','acme','joining','5c94613d66dc75905bae176c2c845414e7d47ce475922038fd36689cbf9b21ad',NULL,NULL,NULL,NULL);
CREATE TABLE provider_told (
	provider TEXT NOT NULL, 
	document TEXT NOT NULL, 
	CONSTRAINT pk_provider_told PRIMARY KEY (provider)
)
 STRICT

;
CREATE TABLE public_lease (
	address TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	place INTEGER NOT NULL, 
	CONSTRAINT pk_public_lease PRIMARY KEY (address)
)
 STRICT

;
INSERT INTO "public_lease" VALUES('198.51.100.10','acme',0);
CREATE TABLE replica_told (
	tenant TEXT NOT NULL, 
	vm TEXT NOT NULL, 
	host TEXT NOT NULL, 
	vm_id TEXT NOT NULL, 
	restored_to TEXT, 
	addresses TEXT NOT NULL, 
	at TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	CONSTRAINT pk_replica_told PRIMARY KEY (tenant, vm)
)
 STRICT

;
INSERT INTO "replica_told" VALUES('acme','db1','esx1','vm-db1','2026-01-02T03:04:05.000000+00:00','["192.168.10.12"]','2026-01-02T03:04:05.000000+00:00','robot');
CREATE TABLE run (
	id TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	host TEXT NOT NULL, 
	request TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	at TEXT NOT NULL, 
	CONSTRAINT pk_run PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "run" VALUES('r1','acme','esx1','{}','anna','2026-01-02T03:04:05.000000+00:00');
CREATE TABLE run_event (
	run TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	epoch INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	at TEXT NOT NULL, 
	CONSTRAINT pk_run_event PRIMARY KEY (run, number), 
	CONSTRAINT fk_run_event_run FOREIGN KEY(run) REFERENCES run (id)
)
 STRICT

;
INSERT INTO "run_event" VALUES('r1',1,1,'started','{}','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "run_event" VALUES('r1',2,1,'stage','{}','2026-01-02T03:04:05.000000+00:00');
CREATE TABLE run_stage (
	run TEXT NOT NULL, 
	name TEXT NOT NULL, 
	record TEXT NOT NULL, 
	CONSTRAINT pk_run_stage PRIMARY KEY (run, name), 
	CONSTRAINT fk_run_stage_run FOREIGN KEY(run) REFERENCES run (id)
)
 STRICT

;
INSERT INTO "run_stage" VALUES('r1','stage 1','{}');
CREATE TABLE run_stop (
	run TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	at TEXT NOT NULL, 
	CONSTRAINT pk_run_stop PRIMARY KEY (run), 
	CONSTRAINT fk_run_stop_run FOREIGN KEY(run) REFERENCES run (id)
)
 STRICT

;
INSERT INTO "run_stop" VALUES('r1','bert','2026-01-02T03:04:05.000000+00:00');
CREATE TABLE secret (
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	"key" INTEGER NOT NULL, 
	sealed TEXT NOT NULL, 
	at TEXT NOT NULL, 
	CONSTRAINT pk_secret PRIMARY KEY (kind, name), 
	CONSTRAINT fk_secret_key FOREIGN KEY("key") REFERENCES master_key (number)
)
 STRICT

;
INSERT INTO "secret" VALUES('named','hypervisor/esx1',1,'AQAB2RZAR3C9CerIflsyjGKMQZmQ7ahX5D4Tpx2uJXcvDwtAdyUJH7Vo3yw=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('authority','vpn/acme/1',1,'AQABuyiZPFKP/1ulVvPKVLp4SGvKHPqr4oYPypj1itXDxmhVdZCYseNZTvy8Pet8sWAKzBD1ORg6oq0KcgvYR1NuNm57NJg/EGIvYhvMFRZvHsMXg8pWNh74UACsXFHerGAcSPv6Nr6TulWEn1JxBJHC/crtSsAPSFhnrYu842DMQf5ebOG7/2LMCAnRE7hW/HAr9nbN1x4HBWRQ/gXzH+Iy7KkhRPDYgydul49+ISnWPMngHuEUBXunrlGHBbyVPTSnbJiQ8EjLhloPK8+xcumarBfwiH1z4XAR/K9V8y13VKQZd0CXGT0nwcn4vapx3+xITYAQ5N7Rbc77Ih5Yk5urLzjzmcyzj2OGVKDYWoE=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('authority','member/causeway/1',1,'AQABhuUbko6MfLugEPnVgrQgfzmTscTVwV6yPbUj/Gab3XwGyhmvc+nWz+UBUqGtJp1JAvOBPu7oOZH304fU5/2a0pmtkeoM8rhreLYmGH6nI0XWYMtl2JVJDg7syFR4cpYpiCHv1iepKd/Hp6CTgr1BE2QJwCfwb2vT9DBF+4MXIrh9MHxWcSW+rIo2Sj7NkgM6PbLLHFfCPE3fvYpoHK4/sybYOzuI93X8ezhLwIK4suDiSRFsYiimQhLKyKW1hBMVHr8Y6g0Y1cETV4Gh4ud23dqFvA6pBLA3N9f9ZPwA3dbP6/unr2qFAIY2cO3hF3MTvTVHVRvdGTeR2XsjyQahwc1VwThrqsccBkTd0qs=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('peer-key','1',1,'AQABlXIs3PHwGvc90QUDRFYvKMLTPEV9Mog47qxfKHYU02EwmvaAlskD2Uy0zO4xdKZ7/b2BvBoMFFDtySDngUn9sSNhyz30ooMuufFTkgOBX7SRJqFGQq9iNcxoQqI2gTjCihC/ERI/zoN4dYVZBlgb7IMpWILBycOu3izNxQoo6lmGLTUFLs0w4MfQVNtbj7qD7CnExynR0IEYAbrPZJ8ExyF2v7z7TAJuQg4BbGFdx/vZv6LhSFBaJ889aUvLYeTAq9sMA3cpAZnttqrgs/SvNWm8IdC0e6whskdKEPY9KCBQaug8twsc+8ixPLZkpREJlWFe8yM4Wc20EsGb0hfpJ0dopuccWF1NTYFLTPY=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('invitation','north',1,'AQABuOHj4OdoQJc9pzLlaoeO/fCK+N5ffm3KgObKxvB6QMvlFFSQ1tc2qWBFjsMMrUIg8lAyElfhu+x1A+7PBq/b+1YGFGAZgsXcijpplaQa4s2ZHqYWtdXzMQ==','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('link-key','north/current',1,'AQAB53NhojxnQg8FIqCgkyxylbZS6BdfTn6V0BFmrDFsAD+uuebI6axc0kFZVgrpRARb+AfoIQkDZZp1XOJqkDEgqz0Tty6/ACOqQFvI27akm7wikg1fUtwDWLcZKVJw9ak+jq/ycA30bF0rLESAthjfn38j23ezy2K+R4gQ5LmbR8y2I9qTp6LrlLDj4/9fwpyFyh0EAYxqWdo5Rd/V9y6cl+3fAbSa8vktSwdEn4m+VLOsyyTRh6MGgfaBZawTUDL1lpBP68qT3fHTsGmBxyfEOm0Z3oDSCT81RNj6qez+cmLJCB7sKINNyzKhAKon75cou8UT+YPmn0Miy19YCOylMwIC7nsqObilfbHtHt0=','2026-01-02T03:04:05.000000+00:00');
CREATE TABLE tenancy (
	tenant TEXT NOT NULL, 
	host TEXT NOT NULL, 
	mode TEXT NOT NULL, 
	publications TEXT, 
	CONSTRAINT pk_tenancy PRIMARY KEY (tenant, host)
)
 STRICT

;
INSERT INTO "tenancy" VALUES('acme','esx1','{"behind":["lan"],"mode":"full","vms":["db","web"]}','[]');
CREATE TABLE token (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	role TEXT NOT NULL, 
	tenant TEXT, 
	made TEXT NOT NULL, 
	made_by TEXT NOT NULL, 
	expires TEXT NOT NULL, 
	revoked TEXT, 
	CONSTRAINT pk_token PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "token" VALUES('000000000000','bert','ba496e35ce93e27bd8053ba87630ef6ab50949318356c597f6f1064f02d5ea18','auditor','acme','2026-01-02T03:04:05.000000+00:00','anna','2026-04-02T03:04:05.000000+00:00',NULL);
CREATE TABLE told_revocation (
	provider TEXT NOT NULL, 
	serial TEXT NOT NULL, 
	at TEXT NOT NULL, 
	CONSTRAINT pk_told_revocation PRIMARY KEY (provider, serial)
)
 STRICT

;
CREATE TABLE tunnel_end (
	provider TEXT NOT NULL, 
	network TEXT NOT NULL, 
	document TEXT NOT NULL, 
	CONSTRAINT pk_tunnel_end PRIMARY KEY (provider, network)
)
 STRICT

;
CREATE TABLE tunnel_lease (
	tenant TEXT NOT NULL, 
	network TEXT NOT NULL, 
	slot INTEGER NOT NULL, 
	place INTEGER NOT NULL, 
	CONSTRAINT pk_tunnel_lease PRIMARY KEY (tenant, network), 
	CONSTRAINT uq_tunnel_lease_tenant_slot UNIQUE (tenant, slot)
)
 STRICT

;
INSERT INTO "tunnel_lease" VALUES('acme','lan',0,0);
INSERT INTO "tunnel_lease" VALUES('acme','dmz',1,1);
CREATE TABLE vlan_lease (
	tenant TEXT NOT NULL, 
	"plan" TEXT NOT NULL, 
	network TEXT NOT NULL, 
	host TEXT NOT NULL, 
	switch TEXT NOT NULL, 
	vlan INTEGER NOT NULL, 
	place INTEGER NOT NULL, 
	CONSTRAINT pk_vlan_lease PRIMARY KEY (tenant, "plan", network), 
	CONSTRAINT uq_vlan_lease_host_switch_vlan UNIQUE (host, switch, vlan)
)
 STRICT

;
INSERT INTO "vlan_lease" VALUES('acme','small','n1','esx1','dvs-7',100,0);
INSERT INTO "vlan_lease" VALUES('acme','small','n2','esx1','dvs-7',150,1);
INSERT INTO "vlan_lease" VALUES('acme','large','n1','esx1','dvs-7',101,2);
INSERT INTO "vlan_lease" VALUES('acme','large','n2','esx1','dvs-7',151,3);
INSERT INTO "vlan_lease" VALUES('acme','large','n3','esx1','dvs-7',102,4);
CREATE TRIGGER inventory_revision_no_update BEFORE UPDATE ON inventory_revision BEGIN SELECT RAISE(ABORT, 'inventory_revision is append-only'); END;
CREATE TRIGGER inventory_revision_no_delete BEFORE DELETE ON inventory_revision BEGIN SELECT RAISE(ABORT, 'inventory_revision is append-only'); END;
CREATE TRIGGER run_no_update BEFORE UPDATE ON run BEGIN SELECT RAISE(ABORT, 'run is append-only'); END;
CREATE TRIGGER run_no_delete BEFORE DELETE ON run BEGIN SELECT RAISE(ABORT, 'run is append-only'); END;
CREATE TRIGGER run_event_no_update BEFORE UPDATE ON run_event BEGIN SELECT RAISE(ABORT, 'run_event is append-only'); END;
CREATE TRIGGER run_event_no_delete BEFORE DELETE ON run_event BEGIN SELECT RAISE(ABORT, 'run_event is append-only'); END;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER counter_grows BEFORE UPDATE ON counter WHEN NEW.last <= OLD.last OR NEW.kind <> OLD.kind OR NEW.owner <> OLD.owner BEGIN SELECT RAISE(ABORT, 'a counter only grows'); END;
CREATE TRIGGER counter_stays BEFORE DELETE ON counter BEGIN SELECT RAISE(ABORT, 'a counter only grows'); END;
CREATE TRIGGER certificate_no_update BEFORE UPDATE ON certificate BEGIN SELECT RAISE(ABORT, 'certificate is append-only'); END;
CREATE TRIGGER certificate_no_delete BEFORE DELETE ON certificate BEGIN SELECT RAISE(ABORT, 'certificate is append-only'); END;
CREATE TRIGGER certificate_event_no_update BEFORE UPDATE ON certificate_event BEGIN SELECT RAISE(ABORT, 'certificate_event is append-only'); END;
CREATE TRIGGER certificate_event_no_delete BEFORE DELETE ON certificate_event BEGIN SELECT RAISE(ABORT, 'certificate_event is append-only'); END;
CREATE INDEX ix_run_tenant_host_at ON run (tenant, host, at);
COMMIT;
