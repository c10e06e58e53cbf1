BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0007');
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
INSERT INTO "audit" VALUES(1,'2026-01-02T03:04:05.000000+00:00','anna','inventory.replace','revision 1','87ce79e5c6ca38b3edf2a78e40723d0a141b16acc0938218c32f4ac73b9c846a','0000000000000000000000000000000000000000000000000000000000000000','cb8d7df4125e2897dbd25fe3b26f7b82b195cf8a1dadf82f183d9ceb091b2a0a');
INSERT INTO "audit" VALUES(2,'2026-01-02T03:04:05.000000+00:00','anna','master-key.enter','1','','cb8d7df4125e2897dbd25fe3b26f7b82b195cf8a1dadf82f183d9ceb091b2a0a','7f3f0062b1c555c4dc588cec922462759c5ad7c8ccf28637e6b470d0522d5bb5');
INSERT INTO "audit" VALUES(3,'2026-01-02T03:04:05.000000+00:00','anna','secret.put','hypervisor/esx1','','7f3f0062b1c555c4dc588cec922462759c5ad7c8ccf28637e6b470d0522d5bb5','8b61698c41891519965003b53a158263ae8e489aa5da8faba503363f69187f77');
INSERT INTO "audit" VALUES(4,'2026-01-02T03:04:05.000000+00:00','anna','token.make','token 000000000000','auditor bert of acme','8b61698c41891519965003b53a158263ae8e489aa5da8faba503363f69187f77','6da925ec6e356ba062546431e714447472611f0c22c1f68d55111505d07bebdd');
INSERT INTO "audit" VALUES(5,'2026-01-02T03:04:05.000000+00:00','anna','authority.make','vpn/acme/1','','6da925ec6e356ba062546431e714447472611f0c22c1f68d55111505d07bebdd','40c57e76d49e0d8f207fa92a7f4ee5924d23b268f877aa59f2cdb5c7e3b3a364');
INSERT INTO "audit" VALUES(6,'2026-01-02T03:04:05.000000+00:00','test','authority.make','member/causeway/1','','40c57e76d49e0d8f207fa92a7f4ee5924d23b268f877aa59f2cdb5c7e3b3a364','94a38565210283e4a90531d51871388504e4e577dae206c966319db7f3baacf1');
INSERT INTO "audit" VALUES(7,'2026-01-02T03:04:05.000000+00:00','test','peer-key.make','key cd973dcbe2ce535c3d734ca9a90f3b824e130b0df169301d4d133ca5ebcbd349','','94a38565210283e4a90531d51871388504e4e577dae206c966319db7f3baacf1','4c22c23e755c81a2d7a76db6c068bd129626648c53b7d29c32413da92a5d78d1');
INSERT INTO "audit" VALUES(8,'2026-01-02T03:04:05.000000+00:00','anna','invitation.make','invitation 000000000000','acme','4c22c23e755c81a2d7a76db6c068bd129626648c53b7d29c32413da92a5d78d1','d96f9acc40b14c17d37247fdeca0bfe95461b95566031627af8e93e17f5e739a');
INSERT INTO "audit" VALUES(9,'2026-01-02T03:04:05.000000+00:00','acme','invitation.accept','invitation 000000000000','acme, key 19541d486ba66dde273bc04d18294ce75b50583c485cf6178c7457e6bb08523f','d96f9acc40b14c17d37247fdeca0bfe95461b95566031627af8e93e17f5e739a','c260e8fe351de37b43158a447c48ab14a8ca1f08b690697e538a4bde80570a24');
INSERT INTO "audit" VALUES(10,'2026-01-02T03:04:05.000000+00:00','anna','provider.join','provider north','','c260e8fe351de37b43158a447c48ab14a8ca1f08b690697e538a4bde80570a24','cc02417a41433f51ec0bda08e7c998b7b9f67c0c927e52f713a03fc87c9241b8');
CREATE TABLE audit_head (
	id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	hash TEXT NOT NULL, 
	CONSTRAINT pk_audit_head PRIMARY KEY (id), 
	CONSTRAINT ck_audit_head_ck_audit_head_only_row CHECK (id = 1)
)
 STRICT

;
INSERT INTO "audit_head" VALUES(1,10,'cc02417a41433f51ec0bda08e7c998b7b9f67c0c927e52f713a03fc87c9241b8');
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
MIIB0zCCAXmgAwIBAgIUGAUppVmAPKHShliUdtRCWxRdHF4wCgYIKoZIzj0EAwIw
JTENMAsGA1UECgwEYWNtZTEUMBIGA1UEAwwLYWNtZSB2cG4gY2EwHhcNMjYwMTAy
MDIwNDA1WhcNMzUxMjMxMDMwNDA1WjAlMQ0wCwYDVQQKDARhY21lMRQwEgYDVQQD
DAthY21lIHZwbiBjYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABA67rRicW7Yc
G67l6MKuM1WUNiqFiANQzCGfzsPKqd5jFGvFmV0WGEAe51I2Qkq7ktSQcxirC3l/
FfTzFION0tqjgYYwgYMwHQYDVR0OBBYEFJb//eDl/1cKsl54xRJD/Ad/igr5MB8G
A1UdIwQYMBaAFJb//eDl/1cKsl54xRJD/Ad/igr5MBIGA1UdEwEB/wQIMAYBAf8C
AQAwDgYDVR0PAQH/BAQDAgEGMB0GA1UdJQQWMBQGCCsGAQUFBwMBBggrBgEFBQcD
AjAKBggqhkjOPQQDAgNIADBFAiBoIVpPbhW83c+LFxvI/fc8dAF0WHPJgRSZ77Rv
qm5uogIhAJhpaE8Frj7++TkfzbTfD1Ms3+ex7CjF07qgrj254x2g
-----END CERTIFICATE-----
','2026-01-02T02:04:05.000000+00:00','2035-12-31T03:04:05.000000+00:00','2026-01-02T03:04:05.000000+00:00',NULL);
INSERT INTO "authority" VALUES('member','causeway',1,'-----BEGIN CERTIFICATE-----
MIIBujCCAV+gAwIBAgIUN8dhZhtRdXcA8zzu+f4NPdUaKq4wCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTbWVtYmVycyBvZiBjYXVzZXdheTAeFw0yNjAxMDIwMjA0MDVa
Fw0zNTEyMzEwMzA0MDVaMB4xHDAaBgNVBAMME21lbWJlcnMgb2YgY2F1c2V3YXkw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATW9eTDfTtKZgiT/Iocz2wEmE94J3Aw
4CtHRwbcPFshTOn3wyyG2k4AHcDHnNdVfIWgGxm78ZR2GbQXF0WdN60Oo3sweTAd
BgNVHQ4EFgQUVtTNdsqdwQnTSbPFAtjdgjYY2LgwHwYDVR0jBBgwFoAUVtTNdsqd
wQnTSbPFAtjdgjYY2LgwEgYDVR0TAQH/BAgwBgEB/wIBADAOBgNVHQ8BAf8EBAMC
AQYwEwYDVR0lBAwwCgYIKwYBBQUHAwIwCgYIKoZIzj0EAwIDSQAwRgIhANAX2rEp
x3ZQ6MxCWkeUI6krZElBn6JN5IvTOxHQjsjRAiEA2dAVHyAkT2+4KbukhNrM0wJL
JGlfqtsPV8Cefv5A6ik=
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
INSERT INTO "certificate" VALUES('eba5257211a0e5c0766ecdeaad4f0b33dfbd165',1,'client/acme/t1','client','acme-lan-tenant',NULL,'acme','t1','vpn','acme',1,'2026-01-02T02:04:05.000000+00:00','2027-02-03T03:04:05.000000+00:00','-----BEGIN CERTIFICATE-----
MIIBtTCCAVygAwIBAgIUDrpSVyEaDlwHZuzeqtTwsz370WUwCgYIKoZIzj0EAwIw
JTENMAsGA1UECgwEYWNtZTEUMBIGA1UEAwwLYWNtZSB2cG4gY2EwHhcNMjYwMTAy
MDIwNDA1WhcNMjcwMjAzMDMwNDA1WjAaMRgwFgYDVQQDDA9hY21lLWxhbi10ZW5h
bnQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQazG4oq7czCBBqlm8G6XRZ74UJ
d81fFrK2ZrU0rNQJmBqn8Yfdla7ZU+YyFt0386nIE6MWc4o4H4lxqGOuYqnZo3Uw
czAdBgNVHQ4EFgQUNiAXRqGGnHuyXsNpiJcTF5IkWscwHwYDVR0jBBgwFoAUlv/9
4OX/VwqyXnjFEkP8B3+KCvkwDAYDVR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMCB4Aw
EwYDVR0lBAwwCgYIKwYBBQUHAwIwCgYIKoZIzj0EAwIDRwAwRAIgRrsfo6xGTGxP
DWIcYuAyaILRbTvq7JuZdm0hR8MBGRkCID5wSuHrR2CYtD1qBK/ICQCbjjfWQDq7
emsSSl7G8YIf
-----END CERTIFICATE-----
','anna','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "certificate" VALUES('2111fe9034db17306a1dd0531139a087c1e3209a',2,'member/acme','member','acme',NULL,NULL,NULL,'member','causeway',1,'2026-01-02T02:04:05.000000+00:00','2027-02-03T03:04:05.000000+00:00','-----BEGIN CERTIFICATE-----
MIIByzCCAXGgAwIBAgIUIRH+kDTbFzBqHdBTETmgh8HjIJowCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTbWVtYmVycyBvZiBjYXVzZXdheTAeFw0yNjAxMDIwMjA0MDVa
Fw0yNzAyMDMwMzA0MDVaMA8xDTALBgNVBAMMBGFjbWUwWTATBgcqhkjOPQIBBggq
hkjOPQMBBwNCAATPR3LySsdgYnf5xw2VGHvMMkBmqyGutLJJBFApF6G0vWcOAFme
ycHf19blqCAk6xx7zYTXQcbrTecfkZ1Rk0xHo4GbMIGYMB0GA1UdDgQWBBSbK/Ay
bYPWauYbd8x9ljCHIlSmvTAfBgNVHSMEGDAWgBRW1M12yp3BCdNJs8UC2N2CNhjY
uDAMBgNVHRMBAf8EAjAAMA4GA1UdDwEB/wQEAwIHgDATBgNVHSUEDDAKBggrBgEF
BQcDAjAjBgNVHREEHDAahhh1cm46Y2F1c2V3YXk6bWVtYmVyOmFjbWUwCgYIKoZI
zj0EAwIDSAAwRQIhAO5qJtAssy05LbepHmxutq+DXnrHaVzxtHkNLxl+9xBkAiB5
lnfcZOQqIpIt52+kYUZUqRkwZjrniWX/U+UgYHKibw==
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
INSERT INTO "certificate_event" VALUES('eba5257211a0e5c0766ecdeaad4f0b33dfbd165','installed','','anna','2026-01-02T03:04:05.000000+00:00');
CREATE TABLE controller (
	name TEXT NOT NULL, 
	until INTEGER NOT NULL, 
	CONSTRAINT pk_controller PRIMARY KEY (name)
)
 STRICT

;
INSERT INTO "controller" VALUES('controller-1',1795920399221);
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
INSERT INTO "entry" VALUES('hosts','esx1',0,'{"id":"esx1","kind":"vsphere","endpoint":"https://esx1.example/sdk","storage":{"id":"datastore-1","kind":"datastore"},"folder":"Cloud_Connect_Replication"}');
INSERT INTO "entry" VALUES('vlan_pools','net',0,'{"id":"net","host":"esx1","switch":"dvs-7","network_class":"internet","first":100,"last":149}');
INSERT INTO "entry" VALUES('vlan_pools','iso',1,'{"id":"iso","host":"esx1","switch":"dvs-7","network_class":"isolated","first":150,"last":199}');
INSERT INTO "entry" VALUES('public_pools','v4',0,'{"id":"v4","first":"198.51.100.10","last":"198.51.100.99"}');
INSERT INTO "entry" VALUES('gateways','gw1',0,'{"id":"gw1","host":"esx1","public":["198.51.100.2/24"],"inside":["203.0.113.2/24"],"gateways":[],"public_network":"public","inside_network":"inside"}');
INSERT INTO "entry" VALUES('gateway_pools','edge',0,'{"id":"edge","name":"gw.example","gateways":["gw1"],"port":6180}');
INSERT INTO "entry" VALUES('hardware_plans','small',0,'{"id":"small","host":"esx1","networks":[{"id":"n1","network_class":"internet"},{"id":"n2","network_class":"isolated"}],"quotas":{}}');
INSERT INTO "entry" VALUES('hardware_plans','large',1,'{"id":"large","host":"esx1","networks":[{"id":"n1","network_class":"internet"},{"id":"n2","network_class":"isolated"},{"id":"n3","network_class":"internet"}],"quotas":{}}');
INSERT INTO "entry" VALUES('tenants','acme',0,'{"id":"acme","platform":"vsphere","gateway_pool":"edge","description":"","full_failover_by":["tenant","provider"],"public_addresses":["198.51.100.11"],"more_public_ipv4":1,"more_public_ipv6":0,"test_addresses":[],"networks":[{"id":"lan","prefixes":["192.168.10.0/24"],"gateways":["192.168.10.1"],"tenant_end":{"tunnel":"lan-tunnel","address":{"assignment":"dhcp"}}},{"id":"dmz","prefixes":["192.168.20.0/24"],"gateways":["192.168.20.1"],"tenant_end":{"tunnel":"dmz-tunnel","address":{"assignment":"dhcp"}}}],"subscriptions":[{"plan":"small","uplink":{"network":"network-3","address":{"assignment":"static","addresses":["203.0.113.10/24"],"gateways":["203.0.113.1"]}},"networks":[{"plan_network":"n1","network":"lan","extension":"routed","appliance_addresses":[]}],"adapters":"access"},{"plan":"large","uplink":{"network":"network-3","address":{"assignment":"static","addresses":["203.0.113.10/24"],"gateways":["203.0.113.1"]}},"networks":[{"plan_network":"n1","network":"dmz","extension":"routed","appliance_addresses":[]}],"adapters":"access"}],"vms":[{"name":"web1","network":"lan","addresses":["192.168.10.11"],"macs":[],"replica":{"host":"esx1","vm_id":"vm-web1"}},{"name":"db1","network":"lan","addresses":["192.168.10.12"],"macs":[],"replica":{"host":"esx1","vm_id":"vm-db1"}}],"failover_plans":[{"id":"site","entries":[{"vm":"db1","priority":1,"after":[],"delay":0.0},{"vm":"web1","priority":3,"after":["db1"],"delay":0.0}],"parallel":10,"routed":[],"rules":[{"id":"web","public_address":"198.51.100.11","public_port":443,"internal_address":"192.168.10.11","internal_port":443,"protocol":"tcp","public_port_end":null,"sources":[],"vm":null,"description":""}],"hooks":{}}]}');
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
INSERT INTO "inventory_revision" VALUES(1,'87ce79e5c6ca38b3edf2a78e40723d0a141b16acc0938218c32f4ac73b9c846a','anna','2026-01-02T03:04:05.000000+00:00');
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
INSERT INTO "invitation" VALUES('000000000000','acme','67cdbb8456b32fc3646af94cb7e75e3c807faec05bd20664d393515378f849f8','2026-01-02T03:04:05.000000+00:00','anna','2026-01-03T03:04:05.000000+00:00',NULL,'2026-01-02T03:04:05.000000+00:00','19541d486ba66dde273bc04d18294ce75b50583c485cf6178c7457e6bb08523f','2111fe9034db17306a1dd0531139a087c1e3209a',0,NULL,NULL);
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
INSERT INTO "master_key" VALUES(1,'TEFVI1gGFs7UXI+kWHmn5PA4fZml5Ju+0ocYysmfwi4=','AQAB4OySxr6Xbljbqr/xtPGfZFWZATuCmwNCUYyDK2E/E2v3AocpXvrZxlFtNw==','2026-01-02T03:04:05.000000+00:00');
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
INSERT INTO "peer_key" VALUES(1,'cd973dcbe2ce535c3d734ca9a90f3b824e130b0df169301d4d133ca5ebcbd349','2026-01-02T03:04:05.000000+00:00','2026-01-02T03:04:05.000000+00:00');
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
INSERT INTO "provider_link" VALUES('north','https://dr.example:8445','acme','joining','cd973dcbe2ce535c3d734ca9a90f3b824e130b0df169301d4d133ca5ebcbd349',NULL,NULL,NULL,NULL);
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
INSERT INTO "secret" VALUES('named','hypervisor/esx1',1,'AQABCAgDeIxGK2Usj5SOZvTvVHIZdVPO1Nr/Smzlay+JaFEzhwml2UuSB5Y=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('authority','vpn/acme/1',1,'AQAB0T8yXtGT4GOcelh/LKHDdtVaoZFo5XQiarw5P6nhYoobR48Hjh4SYe6CcKqBbxuUH6VpKmF9gihC7se6LMYZ+u6VrqSReqON84I8ObtVTF+OTcT30Ca6XIQMNojJSIoTebamuaq5TdiTOspXr1MXk9o5IK24P5eZmIodHdOtq6lds4YRvNWrJgrEFIoSEPFkglBR8hvu4Q4haSh7d+mL1B/gr+67v7j8jc3zfrao5MRGBt2U9ioXG5N9vEfWoq2w///2mlNhc4aeOLhr7OiNQBUK1Vzjv79GULmDfOSQrvpPl+bcVH6gnz5SpqfhcovMY5W//dDOHmWo6gm7nBUIVIhdxvMz5BPeankg1ng=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('authority','member/causeway/1',1,'AQABJoZcjzUnQfy9PiLV/EWB2wQxHpVWXJcIzUd9iPSGGaTvFgGe80AYF6Gj7jUT3B6Rvp88Ju9tq7a61GhiOzfS0Cjhup92g/yE6h4lVxCUpwUZ4hgAnCXK66u7A8P4C2tdhYO9zMxhwIh1cJ9nTXTPhYWHtM9id3j4lNs3XC9FJNykJu964CK0q1VuHwlNLtaExj7cDYT7kRlnzhslwEO5PNmuKmjqJ0VbKkAiId3jVr0guOCd2ft+jrg85pnbT1vKTY9VUOUbX5HXSaGwoj/UEu2OYO5glwT5bvm0Z1npkaewptm+8mrEYQTkmlE0RcYvgvBKuvSmnMOqLRkErXYfmfi9cCqzfAClFMabSCI=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('peer-key','1',1,'AQABLygmt4wIatOxJj3bRjJ+PAkskA4autAuViNtOroR0bo+LNZtrZOCcEQCLi+AydTpRhCgF/+mzs/T78wVVAdOpKurbYx1dtNFGGYhYqnUwofbslhR9GCfoGgUABTpwWWmeN6ty7Oc2+pj4IrlLMPxcTnguVhTWvIGPRPsKNQRvvqmZLEU9QiBKv+JH2jBCUwiocNbS/I+EBbZCmqwCYojFcoTsoH9kr/o1jmkb/5J9UxiUd1JagpuLh2rL9ssDKZ17ME1sX8LQdXmotAAm0QUcaKgqlEpX3CtPecM+hOmeH5WsarwqtforzZgQFxVmA6Glb+1yIVfuPZ/78rl2heIlslbUoQgzyI4Fpuvs1o=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('invitation','north',1,'AQABvveayyCEfu0yc/Ehu0QOg46tpvuoAVMxJVjTmEkE4E2fksDomi8lIEEJFVMOU7OcAKL7L0YJb7kWLbgyDUPtfOBRwpg8QfeqGBvfyfhQT8ydNHC+YLnA2Q==','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('link-key','north/current',1,'AQABtbK7RK2Rp+4EpmV/w415SSLBELMZgLvlVVk2HSfZ9hyRHMGVoIr0PmixkIih0lRu15S4+s+s3MFaCK86V5nNUNjZbent/aT1tBwrpU6fhtEe1Re5XfgRNir661kiAJcwQewspyb1TQQglFAdDXkWPdegA84VTbKx6ri4jVwJP6YzYnGyU81ZZfQBaUvyrkK9v1FBQN41OK9to3gcPRp8/VbFHsVPXxdyK+TM1zVS/gOixRZUt3qtewlKaMF4yJr8MpwkFjVF1tD6a0IgFqDDZ4gSB47dCpp6B7DmFn6AH+mNCO0+Pbppw4lD7KWTu511uR0NYkU7VBrznWo9vzzf9bAwSAcOa7hGrky5cSs=','2026-01-02T03:04:05.000000+00:00');
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
