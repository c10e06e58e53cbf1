BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0011');
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
INSERT INTO "audit" VALUES(7,'2026-01-02T03:04:05.000000+00:00','test','peer-key.make','key 7baf586dc964e26486eb5eaa6a3809897e37df94912c4ac06acb1d23ce7f1b70','','ff3202cb637dd0c163de2c2f3474de20bafd9958338ce4bec975c82f0bc5d74d','df952fa1fcfa52d4a0822ca1b9a3c26130629671ef38ec23e3544e0a25d2017c');
INSERT INTO "audit" VALUES(8,'2026-01-02T03:04:05.000000+00:00','anna','invitation.make','invitation 000000000000','acme','df952fa1fcfa52d4a0822ca1b9a3c26130629671ef38ec23e3544e0a25d2017c','d407e152d71d43cf5f14e04cecef29772e14682ca88e59bb1cf9624da8a61f84');
INSERT INTO "audit" VALUES(9,'2026-01-02T03:04:05.000000+00:00','acme','invitation.accept','invitation 000000000000','acme, key 3cde50a03125c130243a16dd3cd4f4b0425111fc2ec5cb06edbc5b0dd4a6d816','d407e152d71d43cf5f14e04cecef29772e14682ca88e59bb1cf9624da8a61f84','4f674b0b956a960fd35fed18c4ae241965c027e9120cef4fbfd04e94391ab4af');
INSERT INTO "audit" VALUES(10,'2026-01-02T03:04:05.000000+00:00','anna','provider.join','provider north','','4f674b0b956a960fd35fed18c4ae241965c027e9120cef4fbfd04e94391ab4af','e9d9424967d7467fe35a12e6933cbf22f04417e8ed97a3ea1521d3f87dede570');
CREATE TABLE audit_head (
	id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	hash TEXT NOT NULL, 
	CONSTRAINT pk_audit_head PRIMARY KEY (id), 
	CONSTRAINT ck_audit_head_ck_audit_head_only_row CHECK (id = 1)
)
 STRICT

;
INSERT INTO "audit_head" VALUES(1,10,'e9d9424967d7467fe35a12e6933cbf22f04417e8ed97a3ea1521d3f87dede570');
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
MIIB0zCCAXmgAwIBAgIUMYzlAftd9Y0m5ILwlXFLseCTuHUwCgYIKoZIzj0EAwIw
JTENMAsGA1UECgwEYWNtZTEUMBIGA1UEAwwLYWNtZSB2cG4gY2EwHhcNMjYwMTAy
MDIwNDA1WhcNMzUxMjMxMDMwNDA1WjAlMQ0wCwYDVQQKDARhY21lMRQwEgYDVQQD
DAthY21lIHZwbiBjYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBwAFlXJXtgy
Wgw30VyweUNw0gXIjOrgS7OU2o/r0rbLt0v/R+syY3KBNZMt5sPz4hbe6LJyMBeM
M5gXzRJNqsKjgYYwgYMwHQYDVR0OBBYEFDSyD5euEXZOSuGMU5QeCwIfv4biMB8G
A1UdIwQYMBaAFDSyD5euEXZOSuGMU5QeCwIfv4biMBIGA1UdEwEB/wQIMAYBAf8C
AQAwDgYDVR0PAQH/BAQDAgEGMB0GA1UdJQQWMBQGCCsGAQUFBwMBBggrBgEFBQcD
AjAKBggqhkjOPQQDAgNIADBFAiEA6VqJFjE6G+LwjQhPSzp7Gn/rHCjGm8cdHAqW
K9vVK68CIG7HunnLICODhGe39wxUAi5a/l9YAet8HLv4x/AAAXZf
-----END CERTIFICATE-----
','2026-01-02T02:04:05.000000+00:00','2035-12-31T03:04:05.000000+00:00','2026-01-02T03:04:05.000000+00:00',NULL);
INSERT INTO "authority" VALUES('member','causeway',1,'-----BEGIN CERTIFICATE-----
MIIBuTCCAV+gAwIBAgIUW9JYl/2cRGfq7LvtbtojxwqpTiQwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTbWVtYmVycyBvZiBjYXVzZXdheTAeFw0yNjAxMDIwMjA0MDVa
Fw0zNTEyMzEwMzA0MDVaMB4xHDAaBgNVBAMME21lbWJlcnMgb2YgY2F1c2V3YXkw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARhWkm20BWTm24fKtNAKNGCNagMxh9b
xoXZkp1ldMzbXrwexsJU0hWQPNFq84eqo7BjHz1YY8nl+nuzq7CiUq00o3sweTAd
BgNVHQ4EFgQUjruNvkgtU8yBNUYtdSwBtcWUTy0wHwYDVR0jBBgwFoAUjruNvkgt
U8yBNUYtdSwBtcWUTy0wEgYDVR0TAQH/BAgwBgEB/wIBADAOBgNVHQ8BAf8EBAMC
AQYwEwYDVR0lBAwwCgYIKwYBBQUHAwIwCgYIKoZIzj0EAwIDSAAwRQIhAKBn5wIs
SDRbLVz3LNlrAawdCBXXbUF1pOxum8jVEG17AiBStpl6tYx0Qy0uQN9v0JELsBFV
CrsixTJ+gwDQTwrP4A==
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
INSERT INTO "certificate" VALUES('716c58f8771f143143a124be59095b148ffb2de7',1,'client/acme/t1','client','acme-lan-tenant',NULL,'acme','t1','vpn','acme',1,'2026-01-02T02:04:05.000000+00:00','2027-02-03T03:04:05.000000+00:00','-----BEGIN CERTIFICATE-----
MIIBtTCCAVygAwIBAgIUcWxY+HcfFDFDoSS+WQlbFI/7LecwCgYIKoZIzj0EAwIw
JTENMAsGA1UECgwEYWNtZTEUMBIGA1UEAwwLYWNtZSB2cG4gY2EwHhcNMjYwMTAy
MDIwNDA1WhcNMjcwMjAzMDMwNDA1WjAaMRgwFgYDVQQDDA9hY21lLWxhbi10ZW5h
bnQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARGamV0zvQXL8gqv/m4Jrkd4hat
lfHncpaviUNEYJW9+hJDBtCTrDEEoGUxV0/1Kg/NpttoH6dxeHzsji9u9T1xo3Uw
czAdBgNVHQ4EFgQUTtlaig2iJ9Dfuk4fIxorGVjaTOswHwYDVR0jBBgwFoAUNLIP
l64Rdk5K4YxTlB4LAh+/huIwDAYDVR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMCB4Aw
EwYDVR0lBAwwCgYIKwYBBQUHAwIwCgYIKoZIzj0EAwIDRwAwRAIgYUwaawXb/to9
saYzzzXn1ZBjA+P7rnIrnk3YOcF12bYCIGTP7oSK7eBSUT+0kllZHCi1d80mnwhP
pEXEOPNSgOiB
-----END CERTIFICATE-----
','anna','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "certificate" VALUES('2a48b52012fec86a844e835762c5cca68e4a524e',2,'member/acme','member','acme',NULL,NULL,NULL,'member','causeway',1,'2026-01-02T02:04:05.000000+00:00','2027-02-03T03:04:05.000000+00:00','-----BEGIN CERTIFICATE-----
MIIByzCCAXGgAwIBAgIUKki1IBL+yGqEToNXYsXMpo5KUk4wCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTbWVtYmVycyBvZiBjYXVzZXdheTAeFw0yNjAxMDIwMjA0MDVa
Fw0yNzAyMDMwMzA0MDVaMA8xDTALBgNVBAMMBGFjbWUwWTATBgcqhkjOPQIBBggq
hkjOPQMBBwNCAASf5Uz0uSaG5kXIJpOtCfIm+wMwWF0dibbjLEwRIrCfO1Mk61bh
Y+muoOWVMGMpez3Z5hhncGh1ZL/m6BTdAapEo4GbMIGYMB0GA1UdDgQWBBQ6/q1G
qqtv66KtJ/m85SdYwdsVqzAfBgNVHSMEGDAWgBSOu42+SC1TzIE1Ri11LAG1xZRP
LTAMBgNVHRMBAf8EAjAAMA4GA1UdDwEB/wQEAwIHgDATBgNVHSUEDDAKBggrBgEF
BQcDAjAjBgNVHREEHDAahhh1cm46Y2F1c2V3YXk6bWVtYmVyOmFjbWUwCgYIKoZI
zj0EAwIDSAAwRQIhAPEItLMw4eIfxWp4VXLCBP4vVUUCMgqYxLLREVonhiIXAiAX
3T3wS4dV4cuDypyCvQeKVx8XFDuvPSq++lpfjA/2jw==
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
INSERT INTO "certificate_event" VALUES('716c58f8771f143143a124be59095b148ffb2de7','installed','','anna','2026-01-02T03:04:05.000000+00:00');
CREATE TABLE controller (
	name TEXT NOT NULL, 
	until INTEGER NOT NULL, 
	CONSTRAINT pk_controller PRIMARY KEY (name)
)
 STRICT

;
INSERT INTO "controller" VALUES('controller-1',1795983727100);
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
INSERT INTO "invitation" VALUES('000000000000','acme','67cdbb8456b32fc3646af94cb7e75e3c807faec05bd20664d393515378f849f8','2026-01-02T03:04:05.000000+00:00','anna','2026-01-03T03:04:05.000000+00:00',NULL,'2026-01-02T03:04:05.000000+00:00','3cde50a03125c130243a16dd3cd4f4b0425111fc2ec5cb06edbc5b0dd4a6d816','2a48b52012fec86a844e835762c5cca68e4a524e',0,NULL,NULL);
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
INSERT INTO "master_key" VALUES(1,'WsGuI2gDebcM4Wyi2rHmeSd0RsgpsGSIiu2/HQTonN4=','AQAB3vtbo/UFEpovRW83fPdn/9tqyOuzu4ZH85UYorvTkGJYtMzW2PNarPjhoQ==','2026-01-02T03:04:05.000000+00:00');
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
INSERT INTO "peer_key" VALUES(1,'7baf586dc964e26486eb5eaa6a3809897e37df94912c4ac06acb1d23ce7f1b70','2026-01-02T03:04:05.000000+00:00','2026-01-02T03:04:05.000000+00:00');
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
INSERT INTO "provider_link" VALUES('north','https://dr.example:8445','acme','joining','7baf586dc964e26486eb5eaa6a3809897e37df94912c4ac06acb1d23ce7f1b70',NULL,NULL,NULL,NULL);
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
INSERT INTO "secret" VALUES('named','hypervisor/esx1',1,'AQAB8QdQYATUjLZcfpieXvFEu3q+9DJvNKqZQkZH0X9zqZm9H7WxC+Xv/O0=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('authority','vpn/acme/1',1,'AQABgCnUINR2ZYjo2q8MwZDW+0ReRHdodsXkpgEYFqPVSY3mfRAd61xv9W9Iqkh72DWAssdMVl9Xm5XN195Go1yiH5A014FzrNGa8YQ01eQwAzJjrqNPDRnZ+hwIN+90M+bgYftKF7sv7b8dgzlH17VCHbGLVTxNyMYfEs3tJNsNNUVbH95E1UqKDShoT654MSAlncHOszqs0AunHkNlNmDsKLXpuETeYiWU5cBHtnVj6SQWVYl5t/HbB2+juSCUP8NByxoXcQNxZN0BMyMcmWDZPOHwxTseTOYaUd/Pe2e561BeKvSEWzkcPoXP1+dvJWI8zlvl2InwHSjxW27PIyYRxEZ0gL28JYeKTfxV3og=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('authority','member/causeway/1',1,'AQABeXzWsjVmJT0sVIEALs+U5fpnl8KVwwoBx5i+LFqq8+KF6LtXWTcyOPYWAynQvA/1lZY2LXKaFxQo4IHIykMheUQuLhhyGwjcyjkJXQRuHXcaELME9SSsLW/O/ms+TNqh30GdInw5GMlnqHnfwe4FREeLs/admQH5uvt39mQfJOkzFqpXbH9VF82LNXPYJSVNFnkOZRdgH96BHmdpgxRgRtDPJJA63mZl+wEtbgQJojY39hhMhZzgatwNctDXpoZlpvd3gz48iF7N+f1FcqesHxz6+5f5J0oct9bcPq3Mp74f1nNCm0SPEdjKF2mu1Syut1xC6XqSmnlvacdlHhuY9nc9yy71lAow5tSKf/U=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('peer-key','1',1,'AQABEQYrl2icYw7DgDfCqrh2oX0uXTZ2mnDho5la0b+c34sv2u8fwLq0CwDA3UnHUBWIolvb3NXu645p1M+/QAzPaP9RxNrn3vBBfTx8WrUv0PPqWC1q1OfNlr/jHGBiT4F09PGZX2gDtkW/pPGq7zyvSL3M1sA594cyeFFXzA7Namfr9VmFOmK3VrTapJ2Idpp3lt74edFpS+424yfd5qf+cA9+MLKNgGKeztRFQXbyx77QyQ8PaZQjSKfp/3tLWRkP1A/6R0Kj1tSBjFWJ/aQ/bGy1odUFu9jb9kafLPufVbFawAXlUrj7G3dP++XYl2XgpF9qNnw4t9TUIPoYFCRdjxBjGxfnqlJDyQ9XZTg=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('invitation','north',1,'AQABZrXHlT3S+EhBblxsGpQ30rJcS4fDiBdXbdYXfNorzej57EpSei1qLqIz1ma1EPBlUWDDt532ncxW7Pj2LtUKeTrpiJMg0g6+lC8JeMnLkSSpYYQZR7QQIg==','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('link-key','north/current',1,'AQABqEIe0JM08ylO9jPro0fJT4z3Fp8CJfNxmMQCDEBKH/fNPIOJuxeLU1acIAGctX6XXSZ59lxt0ik1RBv0SLe6i7vg1hZXttOc8cf039XKxiLuOf5Yr7xqzhLCtVAzz3W+D4qQsjIs4SvF9iDBzS67+kGrF2ZOYzSQXyVgEQnRZVufppyhrptfPfEyqTJc0CF/2onXXFg7E6IW/ouTl/vJgTUCW+Jk7z+uT2w3Nr3V0bpU35N3FfBaA0QwscZxhkEOxLi1UApP5ICnCBtDSkhe63Ol4nfoGQHvQMdg+h0UDlK7ucEirDcv3rv6jbLUzSz4XQTATAc81IO2/TbnxqgpE4p4p0lYFe3M9rN6uPk=','2026-01-02T03:04:05.000000+00:00');
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
