BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0008');
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
INSERT INTO "audit" VALUES(1,'2026-01-02T03:04:05.000000+00:00','anna','inventory.replace','revision 1','b7c979991b735f217a6181a13b97996e8b64449cbb75d6a5004ce3f6356e0378','0000000000000000000000000000000000000000000000000000000000000000','cb7f2c6843e8fa6bd05051d265ad2b77402732ee3f92e0f9c15c06a739504762');
INSERT INTO "audit" VALUES(2,'2026-01-02T03:04:05.000000+00:00','anna','master-key.enter','1','','cb7f2c6843e8fa6bd05051d265ad2b77402732ee3f92e0f9c15c06a739504762','11a021f3b810f2d81c70bb95df25c9a4b9d57740098ca0dcbfe89b0744437aed');
INSERT INTO "audit" VALUES(3,'2026-01-02T03:04:05.000000+00:00','anna','secret.put','hypervisor/esx1','','11a021f3b810f2d81c70bb95df25c9a4b9d57740098ca0dcbfe89b0744437aed','3c85f044abb35b785e5eec937056fbdd098e8e746b61c8551f452906b45b96d3');
INSERT INTO "audit" VALUES(4,'2026-01-02T03:04:05.000000+00:00','anna','token.make','token 000000000000','auditor bert of acme','3c85f044abb35b785e5eec937056fbdd098e8e746b61c8551f452906b45b96d3','7dd62a63f0a9c6d57806d5f4624e8955d8f3938380e977708dc80ad8585dc3d4');
INSERT INTO "audit" VALUES(5,'2026-01-02T03:04:05.000000+00:00','anna','authority.make','vpn/acme/1','','7dd62a63f0a9c6d57806d5f4624e8955d8f3938380e977708dc80ad8585dc3d4','58454efdebbdc56e6aa54386fe540b3fcf6c6915def3472dcc0be43862fbd670');
INSERT INTO "audit" VALUES(6,'2026-01-02T03:04:05.000000+00:00','test','authority.make','member/causeway/1','','58454efdebbdc56e6aa54386fe540b3fcf6c6915def3472dcc0be43862fbd670','5c63ed8bf43422571c7d7bcc759e910c38ec3fb8244214f91daaa9befac299c8');
INSERT INTO "audit" VALUES(7,'2026-01-02T03:04:05.000000+00:00','test','peer-key.make','key 0a6ffb9992f82af14ace701cc84e8dabf2200fa896a81cea8d947ce916116fce','','5c63ed8bf43422571c7d7bcc759e910c38ec3fb8244214f91daaa9befac299c8','e764a27821f61059370a1cf2cdebd73be95a9a13ff15872f45b37821d5c598f5');
INSERT INTO "audit" VALUES(8,'2026-01-02T03:04:05.000000+00:00','anna','invitation.make','invitation 000000000000','acme','e764a27821f61059370a1cf2cdebd73be95a9a13ff15872f45b37821d5c598f5','35518a6ef2d31cc8d05eb514fbef38bc459b0766d80032789956fe74896088a1');
INSERT INTO "audit" VALUES(9,'2026-01-02T03:04:05.000000+00:00','acme','invitation.accept','invitation 000000000000','acme, key 1292cd9fdbefaf6bdd9654d03a8c265b8076ffa3c6dd218bfea796182049fa69','35518a6ef2d31cc8d05eb514fbef38bc459b0766d80032789956fe74896088a1','a891b2fd36812a01f0074eec3abc0da6e4bf1655587d00c1be88bf0c16fd9355');
INSERT INTO "audit" VALUES(10,'2026-01-02T03:04:05.000000+00:00','anna','provider.join','provider north','','a891b2fd36812a01f0074eec3abc0da6e4bf1655587d00c1be88bf0c16fd9355','09a6e6f1bf0bd6d7075a3c29ede36f5d2d963af0622024a6f3b2b82af07018e1');
CREATE TABLE audit_head (
	id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	hash TEXT NOT NULL, 
	CONSTRAINT pk_audit_head PRIMARY KEY (id), 
	CONSTRAINT ck_audit_head_ck_audit_head_only_row CHECK (id = 1)
)
 STRICT

;
INSERT INTO "audit_head" VALUES(1,10,'09a6e6f1bf0bd6d7075a3c29ede36f5d2d963af0622024a6f3b2b82af07018e1');
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
MIIB0jCCAXmgAwIBAgIUS09X/eNX47LDD/AnDQpeXjOSPcAwCgYIKoZIzj0EAwIw
JTENMAsGA1UECgwEYWNtZTEUMBIGA1UEAwwLYWNtZSB2cG4gY2EwHhcNMjYwMTAy
MDIwNDA1WhcNMzUxMjMxMDMwNDA1WjAlMQ0wCwYDVQQKDARhY21lMRQwEgYDVQQD
DAthY21lIHZwbiBjYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPe9HJMQUgii
WRy1LznoHcHcWNOI6sl15ICC7NPA3SMcw5G+fxRbXHJZaGhR15lAxtQjkbpT5EDS
nd6mXXDkYxWjgYYwgYMwHQYDVR0OBBYEFEUIIs895WrIMVZBcL/JNdufmQbTMB8G
A1UdIwQYMBaAFEUIIs895WrIMVZBcL/JNdufmQbTMBIGA1UdEwEB/wQIMAYBAf8C
AQAwDgYDVR0PAQH/BAQDAgEGMB0GA1UdJQQWMBQGCCsGAQUFBwMBBggrBgEFBQcD
AjAKBggqhkjOPQQDAgNHADBEAiBa/JbqKeoXxMDM+rZ6DyBSmCosPnTpl25Hwx33
85pDfAIgPd+bnhEIJLlnctb1O2sg3BK1H4EhQdurbuU79Qx8X0c=
-----END CERTIFICATE-----
','2026-01-02T02:04:05.000000+00:00','2035-12-31T03:04:05.000000+00:00','2026-01-02T03:04:05.000000+00:00',NULL);
INSERT INTO "authority" VALUES('member','causeway',1,'-----BEGIN CERTIFICATE-----
MIIBuTCCAV+gAwIBAgIUCRWSXoRzPnoj8x7hKTyQXiG7hRIwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTbWVtYmVycyBvZiBjYXVzZXdheTAeFw0yNjAxMDIwMjA0MDVa
Fw0zNTEyMzEwMzA0MDVaMB4xHDAaBgNVBAMME21lbWJlcnMgb2YgY2F1c2V3YXkw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQ0CwP8Zez1CWpMu+xAlpclbBpERF6X
8w28bdiZTijnrO66KK1jVImXy4OlylViUPVvTH4ya9v/obM3N3BFWO1Uo3sweTAd
BgNVHQ4EFgQUatCPwFp/tdDSuBxj7CRTRP5vjbMwHwYDVR0jBBgwFoAUatCPwFp/
tdDSuBxj7CRTRP5vjbMwEgYDVR0TAQH/BAgwBgEB/wIBADAOBgNVHQ8BAf8EBAMC
AQYwEwYDVR0lBAwwCgYIKwYBBQUHAwIwCgYIKoZIzj0EAwIDSAAwRQIhAOwPq6zT
jlc/Rw+1jj+DsUBzsIJrWEFi+glmQwNB1QZfAiBM0sW5re+K3An/eqEDFR16PF6c
yWa3prxYb2n4q2ifAw==
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
	at TEXT NOT NULL, 
	CONSTRAINT pk_certificate PRIMARY KEY (serial), 
	CONSTRAINT fk_certificate_kind FOREIGN KEY(kind, owner, generation) REFERENCES authority (kind, owner, generation), 
	CONSTRAINT uq_certificate_number UNIQUE (number), 
	CONSTRAINT uq_certificate_slot_number UNIQUE (slot, number)
)
 STRICT

;
INSERT INTO "certificate" VALUES('31a0bd37cb783489e579c075234156828d3db12d',1,'client/acme/t1','client','acme-lan-tenant',NULL,'acme','t1','vpn','acme',1,'2026-01-02T02:04:05.000000+00:00','2027-02-03T03:04:05.000000+00:00','-----BEGIN CERTIFICATE-----
MIIBtjCCAVygAwIBAgIUMaC9N8t4NInlecB1I0FWgo09sS0wCgYIKoZIzj0EAwIw
JTENMAsGA1UECgwEYWNtZTEUMBIGA1UEAwwLYWNtZSB2cG4gY2EwHhcNMjYwMTAy
MDIwNDA1WhcNMjcwMjAzMDMwNDA1WjAaMRgwFgYDVQQDDA9hY21lLWxhbi10ZW5h
bnQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASssXpqlvL/M8QC66P/cqstSNj+
hAIY3FPLnrXDYSKreFTKoalJv/cWkFm1vSYRQYyfixe1lII4FS1ILz8eIQJ5o3Uw
czAdBgNVHQ4EFgQUnd16osbic13F/qLDPHiaKFmbb/IwHwYDVR0jBBgwFoAURQgi
zz3lasgxVkFwv8k125+ZBtMwDAYDVR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMCB4Aw
EwYDVR0lBAwwCgYIKwYBBQUHAwIwCgYIKoZIzj0EAwIDSAAwRQIhAIYTwxKYdqDE
9rOB0PaaI8BxPuPNHHnU3mInL27NzKIgAiBJP+aWL/kWe/3JeAtq3dzVU3A8s+GV
h8T5aVHrYpcBdg==
-----END CERTIFICATE-----
','anna','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "certificate" VALUES('2ed5098e256e5c42c472a68e3c8325bc1d2373f8',2,'member/acme','member','acme',NULL,NULL,NULL,'member','causeway',1,'2026-01-02T02:04:05.000000+00:00','2027-02-03T03:04:05.000000+00:00','-----BEGIN CERTIFICATE-----
MIIByzCCAXGgAwIBAgIULtUJjiVuXELEcqaOPIMlvB0jc/gwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTbWVtYmVycyBvZiBjYXVzZXdheTAeFw0yNjAxMDIwMjA0MDVa
Fw0yNzAyMDMwMzA0MDVaMA8xDTALBgNVBAMMBGFjbWUwWTATBgcqhkjOPQIBBggq
hkjOPQMBBwNCAAQ0pJtLIgj7RX36WX2tBYjN8wLkaEhdnND+PWYu5eN2zw8GzCeQ
vkK/fTiguBA9EqJtoBD5qFlGX+wvsp/bsmuqo4GbMIGYMB0GA1UdDgQWBBSe1C7q
jAVcVrBaV+aFGhsGo2r2qjAfBgNVHSMEGDAWgBRq0I/AWn+10NK4HGPsJFNE/m+N
szAMBgNVHRMBAf8EAjAAMA4GA1UdDwEB/wQEAwIHgDATBgNVHSUEDDAKBggrBgEF
BQcDAjAjBgNVHREEHDAahhh1cm46Y2F1c2V3YXk6bWVtYmVyOmFjbWUwCgYIKoZI
zj0EAwIDSAAwRQIhAIF3x1BLOknQJxScdAajQJK98YCn9SCeeQcAwpiHN8RIAiAC
L7vM+XqHV62bwPgUWBABdc8gbWkL0ss4EcSCMLnhKw==
-----END CERTIFICATE-----
','acme','2026-01-02T03:04:05.000000+00:00');
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
INSERT INTO "certificate_event" VALUES('31a0bd37cb783489e579c075234156828d3db12d','installed','','anna','2026-01-02T03:04:05.000000+00:00');
CREATE TABLE controller (
	name TEXT NOT NULL, 
	until INTEGER NOT NULL, 
	CONSTRAINT pk_controller PRIMARY KEY (name)
)
 STRICT

;
INSERT INTO "controller" VALUES('controller-1',1795941181351);
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
INSERT INTO "entry" VALUES('hosts','esx1',0,'{"id":"esx1","kind":"vsphere","endpoint":"https://esx1.example/sdk","storage":{"id":"datastore-1","kind":"datastore"},"folder":"Cloud_Connect_Replication","rebuild":"safe"}');
INSERT INTO "entry" VALUES('vlan_pools','net',0,'{"id":"net","host":"esx1","switch":"dvs-7","network_class":"internet","first":100,"last":149}');
INSERT INTO "entry" VALUES('vlan_pools','iso',1,'{"id":"iso","host":"esx1","switch":"dvs-7","network_class":"isolated","first":150,"last":199}');
INSERT INTO "entry" VALUES('public_pools','v4',0,'{"id":"v4","first":"198.51.100.10","last":"198.51.100.99"}');
INSERT INTO "entry" VALUES('gateways','gw1',0,'{"id":"gw1","host":"esx1","public":["198.51.100.2/24"],"inside":["203.0.113.2/24"],"gateways":[],"public_network":"public","inside_network":"inside"}');
INSERT INTO "entry" VALUES('gateway_pools','edge',0,'{"id":"edge","name":"gw.example","gateways":["gw1"],"port":6180}');
INSERT INTO "entry" VALUES('hardware_plans','small',0,'{"id":"small","host":"esx1","networks":[{"id":"n1","network_class":"internet"},{"id":"n2","network_class":"isolated"}],"quotas":{}}');
INSERT INTO "entry" VALUES('hardware_plans','large',1,'{"id":"large","host":"esx1","networks":[{"id":"n1","network_class":"internet"},{"id":"n2","network_class":"isolated"},{"id":"n3","network_class":"internet"}],"quotas":{}}');
INSERT INTO "entry" VALUES('tenants','acme',0,'{"id":"acme","platform":"vsphere","gateway_pool":"edge","description":"","full_failover_by":["tenant","provider"],"public_addresses":["198.51.100.11"],"more_public_ipv4":1,"more_public_ipv6":0,"test_addresses":[],"networks":[{"id":"lan","prefixes":["192.168.10.0/24"],"gateways":["192.168.10.1"],"tenant_end":{"tunnel":"lan-tunnel","address":{"assignment":"dhcp"}}},{"id":"dmz","prefixes":["192.168.20.0/24"],"gateways":["192.168.20.1"],"tenant_end":{"tunnel":"dmz-tunnel","address":{"assignment":"dhcp"}}}],"subscriptions":[{"plan":"small","uplink":{"network":"network-3","address":{"assignment":"static","addresses":["203.0.113.10/24"],"gateways":["203.0.113.1"]}},"networks":[{"plan_network":"n1","network":"lan","extension":"routed","appliance_addresses":[]}],"adapters":"access"},{"plan":"large","uplink":{"network":"network-3","address":{"assignment":"static","addresses":["203.0.113.10/24"],"gateways":["203.0.113.1"]}},"networks":[{"plan_network":"n1","network":"dmz","extension":"routed","appliance_addresses":[]}],"adapters":"access"}],"vms":[{"name":"web1","network":"lan","addresses":["192.168.10.11"],"macs":[],"replica":{"host":"esx1","vm_id":"vm-web1"}},{"name":"db1","network":"lan","addresses":["192.168.10.12"],"macs":[],"replica":{"host":"esx1","vm_id":"vm-db1"}}],"failover_plans":[{"id":"site","entries":[{"vm":"db1","priority":1,"after":[],"delay":0.0},{"vm":"web1","priority":3,"after":["db1"],"delay":0.0}],"parallel":10,"routed":[],"rules":[{"id":"web","public_address":"198.51.100.11","public_port":443,"internal_address":"192.168.10.11","internal_port":443,"protocol":"tcp","public_port_end":null,"sources":[],"vm":null,"description":""}],"hooks":{}}]}');
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
INSERT INTO "inventory_revision" VALUES(1,'b7c979991b735f217a6181a13b97996e8b64449cbb75d6a5004ce3f6356e0378','anna','2026-01-02T03:04:05.000000+00:00');
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
INSERT INTO "invitation" VALUES('000000000000','acme','67cdbb8456b32fc3646af94cb7e75e3c807faec05bd20664d393515378f849f8','2026-01-02T03:04:05.000000+00:00','anna','2026-01-03T03:04:05.000000+00:00',NULL,'2026-01-02T03:04:05.000000+00:00','1292cd9fdbefaf6bdd9654d03a8c265b8076ffa3c6dd218bfea796182049fa69','2ed5098e256e5c42c472a68e3c8325bc1d2373f8',0,NULL,NULL);
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
INSERT INTO "master_key" VALUES(1,'nDWY+FMs/qWMtdAJy1Sb7O6pv96AILvcx0Bf98N2G08=','AQABcSHNaYvesoGM6X7g+ATV19+pHK//n4Msxo+whiky/0lcOTDFxS7YQw01KA==','2026-01-02T03:04:05.000000+00:00');
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
INSERT INTO "peer_key" VALUES(1,'0a6ffb9992f82af14ace701cc84e8dabf2200fa896a81cea8d947ce916116fce','2026-01-02T03:04:05.000000+00:00','2026-01-02T03:04:05.000000+00:00');
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
INSERT INTO "provider_link" VALUES('north','https://dr.example:8445','acme','joining','0a6ffb9992f82af14ace701cc84e8dabf2200fa896a81cea8d947ce916116fce',NULL,NULL,NULL,NULL);
CREATE TABLE public_lease (
	address TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	place INTEGER NOT NULL, 
	CONSTRAINT pk_public_lease PRIMARY KEY (address)
)
 STRICT

;
INSERT INTO "public_lease" VALUES('198.51.100.10','acme',0);
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
INSERT INTO "secret" VALUES('named','hypervisor/esx1',1,'AQAB3xnqpT/c3b37MuCRX7YNI6w22kCRHiUB/u9HTr6UgalWdJBzQNTGB1k=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('authority','vpn/acme/1',1,'AQABDOb+zAjVPPX0tQpHVZwbtYrBcog4brkMXuGA28vs0CX5jrbaaYH34iJkGGgabyW4rVkldf5825PfY2eCxEIki8jUdMi14eDMJYUoj8SkER/IqRRQIsWlbg3SAv2Kt+YGO9DNT/ZF4l4q++iyoX1Q+kvw8Lb9g2WwEsy+28MeuTcck3mgpdiLfSc2qe6XlSHsxWGgnUKwQJGgx3MS9h0J4DxZBwnSgN8c7+k6694IQI7xFPyv/dxSkolGMwi8mFrbB/DGCjvOii0Y1DkfH6rnmHDRig9Ae0wLEbQr9IHYmQyGSxAXQVdb/Ntkl1yr0q57ioq41m3kFJsx6mMD+F3CNRNFngi+C4XJKWyQ4Jc=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('authority','member/causeway/1',1,'AQABHC+5wVZMyBA9dAVZqyb9Tq1CtTh3zejh50J3WHTHIiRyTHvTa4wJE2fbN0obDlWY7zEtVxFc3KTDRc1jRiwcFrf4/JGoCvI8WlohAApTtfmYMPO38Rp46iKMBsbY6BQacPFTk12vEeS/g/nNNjjYJOajo3hDeEPoJJZfN656M5itV5lT+5OxpG1VtemgApGk59PSbZbfgOxukaDaAUOsr45YOC7mDWQctTzxOPXNSzHLxk79wEAa1ij4jsuo7cI7jRUlEjKZCFObUXGh++I1rEV1lH+RdECcyK6H4sqrJI5t9WmjSdN1XSv3Hy59J2Rj9lI4nz4RLdug83khuS0i0QxDfdRauyx2hQj0nI4=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('peer-key','1',1,'AQABE6upY6bvJY3dwcjXCj1l6Nducwh16o8Pa00Cs/OQ513xpGdHKhHJo77Y7GeuMlOMAnIlg5EeaRukQ75+KN9MYPGO33Adgi+ccd8WNfaMNAD3EuVXktGAIIxbdRzm7gQHEdUCR78hsiilJexsRsoDVawTK0G/vW6Wv2gpgFXZXsJfA2YOtHzFeEavyKxLmcvNp7UGPOwTWjKPlHa1CQgny1o0rH3y2VDolPSB3V/7/XNmmILcrAmyT/MyNw58n6uwvsxgy86143/476katyF2uWWxkHRV72OesrKvEetoyPw49c3aQp0a3WK6tbwr1pPPytS+Yq66ZHOZrI1XZBI45bkjDqhITMIDelAroEQ=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('invitation','north',1,'AQABQjFG//Ps1RZdC8DTt2I96dJjv98SpaVTU+iNhdJ1JJI1zOtcXRxT1KmuM4AyKzI1DvTElvErI90qAKJu8G6L48ZNuGQbJyruTE24KodZUdcyYadZmBPKBg==','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('link-key','north/current',1,'AQAB3m5Y5NnwFohb6/qciX+2+GWxN5GJ0CQYV7T9dsE0H6l2HLrEKpeoOEuPmoejueAaRpS1Gl8sIIoQtVHNWDNNlIfJ7F/3Qlip2jlpsnBujjfRtcJzT/XN6dBIrj9UaVM4IMJY10F5+I7TGH0I6/k1cUBUI6c5X6Mjpj4ywpLSsl7kgMMM/9av8zK6W+ChXtWwLy3LUKzXQqKsNBDqoQzJzKmrziI206tVfNB/4KvtIdMCzL8PAuEr6mWL2HA+E6wr8ImflML68eeGt9zHjs7wSqPYOx6qgXAa6pYazaBuuvaqUSacQKuNlCTXimHIibiXMNvKO5Mo/g4Dcxk0vdJz0k81VtHYTa8LEmKf1NM=','2026-01-02T03:04:05.000000+00:00');
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
COMMIT;
