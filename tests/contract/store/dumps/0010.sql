BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0010');
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
INSERT INTO "audit" VALUES(1,'2026-01-02T03:04:05.000000+00:00','anna','inventory.replace','revision 1','b6bbe690623378a7f9fb59d461fb41060dd02e87b5adcf5b0d4a8ef2e82c8cbd','0000000000000000000000000000000000000000000000000000000000000000','4e41b4804f2490ce7a3d3ade97342ab6d3251b4b127fba0ee2e31f2813fbf6f3');
INSERT INTO "audit" VALUES(2,'2026-01-02T03:04:05.000000+00:00','anna','master-key.enter','1','','4e41b4804f2490ce7a3d3ade97342ab6d3251b4b127fba0ee2e31f2813fbf6f3','8ccb32fe5d2b67f1eaae7169b53235b1b7a12e8148929ce91f7ba9425db0c5fe');
INSERT INTO "audit" VALUES(3,'2026-01-02T03:04:05.000000+00:00','anna','secret.put','hypervisor/esx1','','8ccb32fe5d2b67f1eaae7169b53235b1b7a12e8148929ce91f7ba9425db0c5fe','ca13a534c02c7b13b0e32abbd192e594c2501f26a42364b949e7c83025ff8d74');
INSERT INTO "audit" VALUES(4,'2026-01-02T03:04:05.000000+00:00','anna','token.make','token 000000000000','auditor bert of acme','ca13a534c02c7b13b0e32abbd192e594c2501f26a42364b949e7c83025ff8d74','4cea8907817d2f81fda9013252a3b22fc20be4087ec835040c904c77ae456b1a');
INSERT INTO "audit" VALUES(5,'2026-01-02T03:04:05.000000+00:00','anna','authority.make','vpn/acme/1','','4cea8907817d2f81fda9013252a3b22fc20be4087ec835040c904c77ae456b1a','2ad200ab9d319456c3839807cffe94622c2f5377331946f0dd354aced34a18ee');
INSERT INTO "audit" VALUES(6,'2026-01-02T03:04:05.000000+00:00','test','authority.make','member/causeway/1','','2ad200ab9d319456c3839807cffe94622c2f5377331946f0dd354aced34a18ee','b291eb05181fca695512a44c99d14241479c2a3d48e0691b865196ef0ee3dea3');
INSERT INTO "audit" VALUES(7,'2026-01-02T03:04:05.000000+00:00','test','peer-key.make','key 567b0a9b4a4b2a40a65fe1671a313e7247b8d75fdc6ef0d50ae8442dac19e5dd','','b291eb05181fca695512a44c99d14241479c2a3d48e0691b865196ef0ee3dea3','4c8826593cfc5acaba285737ceff4fff4a447b7034d2b294405d32154c069b22');
INSERT INTO "audit" VALUES(8,'2026-01-02T03:04:05.000000+00:00','anna','invitation.make','invitation 000000000000','acme','4c8826593cfc5acaba285737ceff4fff4a447b7034d2b294405d32154c069b22','8b5eee2b63db71ece4fe79f3a04458a0101d185878f186838c89785203a3e8e4');
INSERT INTO "audit" VALUES(9,'2026-01-02T03:04:05.000000+00:00','acme','invitation.accept','invitation 000000000000','acme, key d9730c1cf7f73730b39baf99a950bcbf85358d60c34cd284342954c74c918a8c','8b5eee2b63db71ece4fe79f3a04458a0101d185878f186838c89785203a3e8e4','694d506c4b810b03ab51ce520cf8e864726d446a679b305c56363b6996ce3985');
INSERT INTO "audit" VALUES(10,'2026-01-02T03:04:05.000000+00:00','anna','provider.join','provider north','','694d506c4b810b03ab51ce520cf8e864726d446a679b305c56363b6996ce3985','5fe88fc51382cec9d05e65c6bd981746c61efeaae1852eff77230cac5254bc67');
CREATE TABLE audit_head (
	id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	hash TEXT NOT NULL, 
	CONSTRAINT pk_audit_head PRIMARY KEY (id), 
	CONSTRAINT ck_audit_head_ck_audit_head_only_row CHECK (id = 1)
)
 STRICT

;
INSERT INTO "audit_head" VALUES(1,10,'5fe88fc51382cec9d05e65c6bd981746c61efeaae1852eff77230cac5254bc67');
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
MIIB0zCCAXmgAwIBAgIUBg5YZixwsBeWLXfQHzXfhA604JswCgYIKoZIzj0EAwIw
JTENMAsGA1UECgwEYWNtZTEUMBIGA1UEAwwLYWNtZSB2cG4gY2EwHhcNMjYwMTAy
MDIwNDA1WhcNMzUxMjMxMDMwNDA1WjAlMQ0wCwYDVQQKDARhY21lMRQwEgYDVQQD
DAthY21lIHZwbiBjYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJg0jfRrvC1D
JKTErlsQOmruVTxwKK99Im89GeeRCeX7CjwOpd+LBGePb+/4WxuOI+gDljbCf9kp
Gs1h8yaDRNOjgYYwgYMwHQYDVR0OBBYEFEGK3VKG2R5+PWJbsrRQXICg1vsLMB8G
A1UdIwQYMBaAFEGK3VKG2R5+PWJbsrRQXICg1vsLMBIGA1UdEwEB/wQIMAYBAf8C
AQAwDgYDVR0PAQH/BAQDAgEGMB0GA1UdJQQWMBQGCCsGAQUFBwMBBggrBgEFBQcD
AjAKBggqhkjOPQQDAgNIADBFAiB55/v78qEchGmTiyZxXed8pyFXaLDJ6NpbBsT5
s6dTTQIhAKkMbURwf9UOX65ltfslrtL+rl6osSXLvhDpKyIV71Or
-----END CERTIFICATE-----
','2026-01-02T02:04:05.000000+00:00','2035-12-31T03:04:05.000000+00:00','2026-01-02T03:04:05.000000+00:00',NULL);
INSERT INTO "authority" VALUES('member','causeway',1,'-----BEGIN CERTIFICATE-----
MIIBuDCCAV+gAwIBAgIUC5nzdySB+sdFSUPx7CT1xaqFsREwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTbWVtYmVycyBvZiBjYXVzZXdheTAeFw0yNjAxMDIwMjA0MDVa
Fw0zNTEyMzEwMzA0MDVaMB4xHDAaBgNVBAMME21lbWJlcnMgb2YgY2F1c2V3YXkw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAT9pEBDujY3RrsIIgb1Qg/lWIWXifdp
JnUTDoTL7PZdMlYFML3sX/XjNw++KEIkgTeOChUidcfzzo8fRa0wUaEeo3sweTAd
BgNVHQ4EFgQUtPy78lGFrL50CAHf06YSana4RxIwHwYDVR0jBBgwFoAUtPy78lGF
rL50CAHf06YSana4RxIwEgYDVR0TAQH/BAgwBgEB/wIBADAOBgNVHQ8BAf8EBAMC
AQYwEwYDVR0lBAwwCgYIKwYBBQUHAwIwCgYIKoZIzj0EAwIDRwAwRAIgG/0Ndo9Y
f7wYxXS1Y/wecYVdA0db3hsO6T5Z3pGWG5ACIAapEKiO180/PQKocuWMTGMj4ALW
6ynSAGnRVFHHIupj
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
INSERT INTO "certificate" VALUES('29dbe9da71bfb54a430511ff76dc0c27f3e3c4d8',1,'client/acme/t1','client','acme-lan-tenant',NULL,'acme','t1','vpn','acme',1,'2026-01-02T02:04:05.000000+00:00','2027-02-03T03:04:05.000000+00:00','-----BEGIN CERTIFICATE-----
MIIBtzCCAVygAwIBAgIUKdvp2nG/tUpDBRH/dtwMJ/PjxNgwCgYIKoZIzj0EAwIw
JTENMAsGA1UECgwEYWNtZTEUMBIGA1UEAwwLYWNtZSB2cG4gY2EwHhcNMjYwMTAy
MDIwNDA1WhcNMjcwMjAzMDMwNDA1WjAaMRgwFgYDVQQDDA9hY21lLWxhbi10ZW5h
bnQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATgsHp8haB3MBVpYfhPRE2pMbho
QWQSYXbs7X2WdhW27htZ0mwkpxdbfuScQzobde8qz99Q2ntfC9iVkYtszlgpo3Uw
czAdBgNVHQ4EFgQUTkteiotNENUzy4gMLX8+v8Q1H/EwHwYDVR0jBBgwFoAUQYrd
UobZHn49YluytFBcgKDW+wswDAYDVR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMCB4Aw
EwYDVR0lBAwwCgYIKwYBBQUHAwIwCgYIKoZIzj0EAwIDSQAwRgIhAPGO+EI6hBKc
LPd0mSW9CIce1fR1JP2oP+Cc88qFgnqlAiEA8Q1KgZ+tSChA0yabZNgk1fNt9Xqh
vfVfKkASN9wbwkE=
-----END CERTIFICATE-----
','anna','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "certificate" VALUES('3174ba52814781c538f75f7f741dfe5acd0aab98',2,'member/acme','member','acme',NULL,NULL,NULL,'member','causeway',1,'2026-01-02T02:04:05.000000+00:00','2027-02-03T03:04:05.000000+00:00','-----BEGIN CERTIFICATE-----
MIIByzCCAXGgAwIBAgIUMXS6UoFHgcU4919/dB3+Ws0Kq5gwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTbWVtYmVycyBvZiBjYXVzZXdheTAeFw0yNjAxMDIwMjA0MDVa
Fw0yNzAyMDMwMzA0MDVaMA8xDTALBgNVBAMMBGFjbWUwWTATBgcqhkjOPQIBBggq
hkjOPQMBBwNCAAT0VXhzyPP3mIrWqatFEZQooov6grNRPaN3ZTPdGqDBoNfVHpce
HG/QS41OfhLKfQOI3M5N0D6z6qb5fl0Rd6C9o4GbMIGYMB0GA1UdDgQWBBRpc9/F
StJzT/Wl5CrcyIgO7k7QSjAfBgNVHSMEGDAWgBS0/LvyUYWsvnQIAd/TphJqdrhH
EjAMBgNVHRMBAf8EAjAAMA4GA1UdDwEB/wQEAwIHgDATBgNVHSUEDDAKBggrBgEF
BQcDAjAjBgNVHREEHDAahhh1cm46Y2F1c2V3YXk6bWVtYmVyOmFjbWUwCgYIKoZI
zj0EAwIDSAAwRQIhAO9MGHBl1d08GuKtcPjHLznabEpJh+LjXbB7jWn+F8SBAiAJ
8dGqYde76Bg+IdEj5BdUMg/WSI+Ned8BZSWFjI8beg==
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
INSERT INTO "certificate_event" VALUES('29dbe9da71bfb54a430511ff76dc0c27f3e3c4d8','installed','','anna','2026-01-02T03:04:05.000000+00:00');
CREATE TABLE controller (
	name TEXT NOT NULL, 
	until INTEGER NOT NULL, 
	CONSTRAINT pk_controller PRIMARY KEY (name)
)
 STRICT

;
INSERT INTO "controller" VALUES('controller-1',1795955329173);
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
INSERT INTO "inventory_revision" VALUES(1,'b6bbe690623378a7f9fb59d461fb41060dd02e87b5adcf5b0d4a8ef2e82c8cbd','anna','2026-01-02T03:04:05.000000+00:00');
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
INSERT INTO "invitation" VALUES('000000000000','acme','67cdbb8456b32fc3646af94cb7e75e3c807faec05bd20664d393515378f849f8','2026-01-02T03:04:05.000000+00:00','anna','2026-01-03T03:04:05.000000+00:00',NULL,'2026-01-02T03:04:05.000000+00:00','d9730c1cf7f73730b39baf99a950bcbf85358d60c34cd284342954c74c918a8c','3174ba52814781c538f75f7f741dfe5acd0aab98',0,NULL,NULL);
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
INSERT INTO "master_key" VALUES(1,'/eIVmJXNEzM8jmomz0xmvWqejX57YDEZyiu5Ec+8hKA=','AQAB+Y9cdaMZUsCckJKyK+CZ+HMZ75JeCV5qcbTEGztrIMrAGNDhqZTAY4waBg==','2026-01-02T03:04:05.000000+00:00');
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
INSERT INTO "peer_key" VALUES(1,'567b0a9b4a4b2a40a65fe1671a313e7247b8d75fdc6ef0d50ae8442dac19e5dd','2026-01-02T03:04:05.000000+00:00','2026-01-02T03:04:05.000000+00:00');
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
INSERT INTO "provider_link" VALUES('north','https://dr.example:8445','acme','joining','567b0a9b4a4b2a40a65fe1671a313e7247b8d75fdc6ef0d50ae8442dac19e5dd',NULL,NULL,NULL,NULL);
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
INSERT INTO "secret" VALUES('named','hypervisor/esx1',1,'AQABq7M5cc/cMZPw75Y7fv7A+fru1ie8+4cqOHuLHg8wlpLQo1Y2Km1lp68=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('authority','vpn/acme/1',1,'AQABwwPs1iQ9e7Lx6dTvAxWuvUauVa+ZzgpezuLT1/yhiGC4MiXoqxzFcW/UFDs/R2ByOd8rllEm/YDTk8te7nUmGgw1nd2Tm17vTbqZu2rZ1InoiKMftlo/4wEuaBuVUeSf/k17C2ThiJaW310OELf7j1x0F4HJuWOd2wtS948Sudf6N2jvqQYNJostgOkO5nyfgXOqM23B8s/dPk+pLlLlLOeOsje1vqtKpodkRsK/tn6HzEpFGbWyMKL9AgmfjJe/rH3c985s2A3gwWSx5gLrXGHrVEVgB0Mgcxsscwr4bEmyCg+mMefPta0QHAps2lqTwu4Rg07VNqq5YYicAN5S2Ii3MX4GkKOziE2yt5M=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('authority','member/causeway/1',1,'AQABpkT0LuyY6xXzB0POgUwsmc0PkNf6Zxm70eylBtzugzJxG5zrk4GFRQeEgSi5XsQTBL9L78a7oCoPzkPf3FF6iHIKdlXmDzVIvF7tCN0EuvsEuZuwSB6s2FpXijJ/1M7QQMBgF+NkdpoPSM/yF7XlsjLDslzTInZg5sInuwgqfihb2HVVngXZZTiyxO9LTnNOSqTffCDDEHis0RaEEdZ6UybsR5KRpS4SFl2Pv2IJHldrSp1g25+L7mmScJD0jlLsRfjtrpE1XgVykx9ctk30y3zub9OwgaMKvwXTbefvM/Z2wGARLD3Cp+3W/eRN+Yfuw3Hc0jCMaG62gYYSfaTH2vb4TimygrLuO793QUU=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('peer-key','1',1,'AQABhKDG4lReLimHUjRLoyrv1rAM6XFjdSlyrwty/yNmRr2mKN2i9B9bVltAZ/hig6cGNw0NjC+2f0agKuTkyMkEZYlWdER5J98eRuZG3aPxUuQHsrFFHWfXJjGOE0cEkG4Y6UP47Ue42zZtTCUFowPiAg2yvYXetS+Tthm/7jXuaVSYkBMuZm3qePVMWQ5k2K3iAqvznfRk2gQnfH8QlEMTVzoO6pU2kQIYCxmB5pqqHFeXNnA0AjbeLjMUfqsAYCVoy2pAvx7cpUsk3I1AdM0o6SSzav3fw8Xa8o8/i26CuDSPKEH6RFx/d6mNvv4xvftLDjYaqiHI3HOJw0iM2BgbFEUkTPx3WhzQrH2c5s0=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('invitation','north',1,'AQABC4CZ3E/olecTTOrPVccmIwEb5Ax0e1/fL0zFvAGS4PW7WfYkxUdzwrHNBdZQBos/26kAg+7IRgpKwus7awmdisTmUGTNYMEIANOt3+oEp4CmIqcaug60NA==','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('link-key','north/current',1,'AQABApo5+Lik22tAFOd5q2lmYWMaNZg8N9BSKEOd6Jmq9bLgIWwkNv6radbg/7sE67P21EViAgKkMP2GFN57+Oq2iBYlfRKYs2cZ24NqBxFGM15UJxX+Ib6iua/22d+EhIrE9sHRIMR8aII/mUJhZKmrCvrsAUZOhkIUeyw25qrM6w6R7TbL1Z48aQv0MNeVwHCFBhbMgCxlOAkV3/5szFMHian63e+i2E0ahTCEKJruzR7CxYWGFDPB3hEKY2VVWalo/UrhdwzA5aLrxhHd3Ty/QTb1Waw95Ov6wc/qjtJaLLUYSvsz3h42+/vyuhgw3oAOBpep6dPP+WJ7FAUhFAjYHwAWObMWaNSQ/34SJNc=','2026-01-02T03:04:05.000000+00:00');
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
