BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0014');
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
INSERT INTO "audit" VALUES(7,'2026-01-02T03:04:05.000000+00:00','test','peer-key.make','key 3db4b3f51464e5939ec79ca212a46414b76a559ac1f14445c611dc9273117877','','ff3202cb637dd0c163de2c2f3474de20bafd9958338ce4bec975c82f0bc5d74d','7e0eba50a26c080395fda9874d58ed02cb62be0244551abdcdcccfe9bbddfbbc');
INSERT INTO "audit" VALUES(8,'2026-01-02T03:04:05.000000+00:00','anna','invitation.make','invitation 000000000000','acme','7e0eba50a26c080395fda9874d58ed02cb62be0244551abdcdcccfe9bbddfbbc','fed6c9fcf38bc77d67702607190397e18eebba16a3ff52a6276c0dbbb8353ae8');
INSERT INTO "audit" VALUES(9,'2026-01-02T03:04:05.000000+00:00','acme','invitation.accept','invitation 000000000000','acme, key a603cb52d90fc61304a49298e1c5a0b0b70de0502698e676c21dd57a7901285c','fed6c9fcf38bc77d67702607190397e18eebba16a3ff52a6276c0dbbb8353ae8','16b1fbc281c5f042194f848225955b3a44802766c1c80c9946dfea44243af7b5');
INSERT INTO "audit" VALUES(10,'2026-01-02T03:04:05.000000+00:00','anna','provider.join','provider north','','16b1fbc281c5f042194f848225955b3a44802766c1c80c9946dfea44243af7b5','4ded8ff5aefb348adea5aadcab56f66efa766d2cd4c2112d0bc07b06c2d9c865');
CREATE TABLE audit_head (
	id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	hash TEXT NOT NULL, 
	CONSTRAINT pk_audit_head PRIMARY KEY (id), 
	CONSTRAINT ck_audit_head_ck_audit_head_only_row CHECK (id = 1)
)
 STRICT

;
INSERT INTO "audit_head" VALUES(1,10,'4ded8ff5aefb348adea5aadcab56f66efa766d2cd4c2112d0bc07b06c2d9c865');
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
MIIB0zCCAXmgAwIBAgIUfasxm7N/Gazjco/F1x7LoYmpIX0wCgYIKoZIzj0EAwIw
JTENMAsGA1UECgwEYWNtZTEUMBIGA1UEAwwLYWNtZSB2cG4gY2EwHhcNMjYwMTAy
MDIwNDA1WhcNMzUxMjMxMDMwNDA1WjAlMQ0wCwYDVQQKDARhY21lMRQwEgYDVQQD
DAthY21lIHZwbiBjYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKdiOSSnNmjY
SZd88mSFc2ND3YVY4xcCsBIqcszfO+dKaoWbcWeq2jc9QO2aOZriJxKu687A82C4
cytyIhHoSMijgYYwgYMwHQYDVR0OBBYEFCjn/v/QeG4/Y+a5sQPC6wXtb+jYMB8G
A1UdIwQYMBaAFCjn/v/QeG4/Y+a5sQPC6wXtb+jYMBIGA1UdEwEB/wQIMAYBAf8C
AQAwDgYDVR0PAQH/BAQDAgEGMB0GA1UdJQQWMBQGCCsGAQUFBwMBBggrBgEFBQcD
AjAKBggqhkjOPQQDAgNIADBFAiB+h6AssIu6Z0swkZ9jBRkZAK0oc4efWpjMoKHq
MwVW1wIhAJdc43nK3PQE7ic38nC3tjC1goginYTtRy4Q1DeRQv7u
-----END CERTIFICATE-----
','2026-01-02T02:04:05.000000+00:00','2035-12-31T03:04:05.000000+00:00','2026-01-02T03:04:05.000000+00:00',NULL);
INSERT INTO "authority" VALUES('member','causeway',1,'-----BEGIN CERTIFICATE-----
MIIBuDCCAV+gAwIBAgIUA0GhXDntyeKyeawHsCrvvqj0A7MwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTbWVtYmVycyBvZiBjYXVzZXdheTAeFw0yNjAxMDIwMjA0MDVa
Fw0zNTEyMzEwMzA0MDVaMB4xHDAaBgNVBAMME21lbWJlcnMgb2YgY2F1c2V3YXkw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQXE3ieLMR8uGZM7rzkDVnqJYnmkXjj
t8MGkVH4NUSqPXUzPb3487pbGE+G0Svr4G8XHlj/MFf5V1tzlRgmhiIio3sweTAd
BgNVHQ4EFgQUmFZL0/8V6q7yyd7Wt/jaDmDBV+wwHwYDVR0jBBgwFoAUmFZL0/8V
6q7yyd7Wt/jaDmDBV+wwEgYDVR0TAQH/BAgwBgEB/wIBADAOBgNVHQ8BAf8EBAMC
AQYwEwYDVR0lBAwwCgYIKwYBBQUHAwIwCgYIKoZIzj0EAwIDRwAwRAIgbHmj71xT
XTgULo5Nqpz6z8YnWfScf94PZ/KyuLdEtl8CIHoEWjWBKBlgSjh6lfh2GDP1qjCo
7ShbSLvkmwIXtsAY
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
INSERT INTO "certificate" VALUES('5688fbc2b47dea5e6aa7d2399e62a1fb6b7db314',1,'client/acme/t1','client','acme-lan-tenant',NULL,'acme','t1','vpn','acme',1,'2026-01-02T02:04:05.000000+00:00','2027-02-03T03:04:05.000000+00:00','-----BEGIN CERTIFICATE-----
MIIBtTCCAVygAwIBAgIUVoj7wrR96l5qp9I5nmKh+2t9sxQwCgYIKoZIzj0EAwIw
JTENMAsGA1UECgwEYWNtZTEUMBIGA1UEAwwLYWNtZSB2cG4gY2EwHhcNMjYwMTAy
MDIwNDA1WhcNMjcwMjAzMDMwNDA1WjAaMRgwFgYDVQQDDA9hY21lLWxhbi10ZW5h
bnQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQx5HyIoeUAKE2ZHkGFdzKXMYlW
fJOONuA1U6zHO8Yj1K6z9fbRF9cZ7L20VSHen6WodEPQeeRMtcIcSGB5biW6o3Uw
czAdBgNVHQ4EFgQUWRhHIRm1351lnRj4kePFdpl47zwwHwYDVR0jBBgwFoAUKOf+
/9B4bj9j5rmxA8LrBe1v6NgwDAYDVR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMCB4Aw
EwYDVR0lBAwwCgYIKwYBBQUHAwIwCgYIKoZIzj0EAwIDRwAwRAIgXXEX6tct9y+2
e4PQY2nxrSzQ44tW4NnR7CVT+zRxiLgCIFvTIEcfvNxM971ZfiUo7/nD9BYitFb2
uRq/GKB+Y3gf
-----END CERTIFICATE-----
','anna','2026-01-02T03:04:05.000000+00:00',NULL);
INSERT INTO "certificate" VALUES('6a9b093c728cdc866014731a5faa171636a4d628',2,'member/acme','member','acme',NULL,NULL,NULL,'member','causeway',1,'2026-01-02T02:04:05.000000+00:00','2027-02-03T03:04:05.000000+00:00','-----BEGIN CERTIFICATE-----
MIIByzCCAXGgAwIBAgIUapsJPHKM3IZgFHMaX6oXFjak1igwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTbWVtYmVycyBvZiBjYXVzZXdheTAeFw0yNjAxMDIwMjA0MDVa
Fw0yNzAyMDMwMzA0MDVaMA8xDTALBgNVBAMMBGFjbWUwWTATBgcqhkjOPQIBBggq
hkjOPQMBBwNCAAQLtYNNBYFNgJW4utvn6/g1ICEX8pgAZ0Q15GygRpw+W/esH9Ed
2XmHxvRetNEai3ny7axoNaWGBDUXbtdq68eHo4GbMIGYMB0GA1UdDgQWBBQ2eENY
q/V2wHHzbh2bb+KreQ5RvDAfBgNVHSMEGDAWgBSYVkvT/xXqrvLJ3ta3+NoOYMFX
7DAMBgNVHRMBAf8EAjAAMA4GA1UdDwEB/wQEAwIHgDATBgNVHSUEDDAKBggrBgEF
BQcDAjAjBgNVHREEHDAahhh1cm46Y2F1c2V3YXk6bWVtYmVyOmFjbWUwCgYIKoZI
zj0EAwIDSAAwRQIhAN4o+h/8+haj2lz0T3kh92FO53Mh6YYbZx+4X/IU+fAJAiB9
VvUVGGBGmfgNMU3RkNDCjUpGW9Enl14cfWrogNdgJg==
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
INSERT INTO "certificate_event" VALUES('5688fbc2b47dea5e6aa7d2399e62a1fb6b7db314','installed','','anna','2026-01-02T03:04:05.000000+00:00');
CREATE TABLE controller (
	name TEXT NOT NULL, 
	until INTEGER NOT NULL, 
	CONSTRAINT pk_controller PRIMARY KEY (name)
)
 STRICT

;
INSERT INTO "controller" VALUES('controller-1',1796070710327);
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
INSERT INTO "invitation" VALUES('000000000000','acme','67cdbb8456b32fc3646af94cb7e75e3c807faec05bd20664d393515378f849f8','2026-01-02T03:04:05.000000+00:00','anna','2026-01-03T03:04:05.000000+00:00',NULL,'2026-01-02T03:04:05.000000+00:00','a603cb52d90fc61304a49298e1c5a0b0b70de0502698e676c21dd57a7901285c','6a9b093c728cdc866014731a5faa171636a4d628',0,NULL,NULL);
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
INSERT INTO "master_key" VALUES(1,'8WcTKcJqwBAJG4a7ymnwJz/uCfboslzF1lL9NiW8DIY=','AQABxbJs2QM4d5StktWtPMD8xZ/OSNSSB4+4suSLgWVFp2/RoseP2F68UmOA5Q==','2026-01-02T03:04:05.000000+00:00');
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
INSERT INTO "peer_key" VALUES(1,'3db4b3f51464e5939ec79ca212a46414b76a559ac1f14445c611dc9273117877','2026-01-02T03:04:05.000000+00:00','2026-01-02T03:04:05.000000+00:00');
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
INSERT INTO "provider_link" VALUES('north','https://dr.example:8445','acme','joining','3db4b3f51464e5939ec79ca212a46414b76a559ac1f14445c611dc9273117877',NULL,NULL,NULL,NULL);
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
INSERT INTO "secret" VALUES('named','hypervisor/esx1',1,'AQABNVp+Ak7hyiZzSyCMJw4cHPCSvfHVOUg7PdofbT2ZiT1HrZ+e+QK1PA8=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('authority','vpn/acme/1',1,'AQABXybA1k7MLwjqDSQuH6xJ0uaOOqkeWzxSw9aQGwuDqkfT+dLhGZe8wk9JVm4LF2ckPm8MMWCDJr8Dy83iZqhgB6PMZOZMhg2xFg73LKEWzZmBdaoq1/0Y13mozH4rYpnT4wmdl9ZJ60dPer4iz37ZPQDtRZwbgAciwGS1FC8GB3IxFwYJqdtjyiGWP3JHWFH28jQLMRGDSirZjH//KYo/RfID4Kf75r0AkmQl9NxiiNy2nZ92S1PbVyi9YEp6p753IvTN+1LfP5nMRYcAP59rCu97aXudMe1R365DX5/9uuVl0ySibVytYMRU6XSFhJoql5iTIKMFfJ5akySVjn/6dCW/2k+iBO7xIEK5+l0=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('authority','member/causeway/1',1,'AQABzZaplX02sL7QsIBKZjCLBg3R06hksm/B1gJ7vKqZQeL59/HMiMWVQk7nfxteQ5mCVkid8f9F9mSnSWMsZk/UXPRhNgzLr8/IahX/C2V3x2Fhrh6VU2/YhK/aSE6avVuNJ1cDQeLJ5Gcq6q5rqcOvgNK/AAqXVOWMQD8RhmvTTyW1yAR1+7aEyBNJp2we6r/5AgtCQyntmGhc/V38GH/PQsnc+iCKyChGCyAoGFqXuQxm2KfyTIkzHmXkbK0gT3HEp6W1t5GTOjgPHW9G2Tj31fYfNrL9MIecXMkurp8W7nNDOxiCZEmdsvS/g2XwaXyAa4kpD9qnEJsr/rrSqHp56bFQPMYGbJ+04qDHnrc=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('peer-key','1',1,'AQABZo6vXwUCMNLBxbVAOWBM0HUmKeTAutE37x82N7doYfQaOvP7TNgS2UJYD9air/Ng9Dt5n1M7XBjoKxgXgE38plZiLmd6ETtljW8SoRH4xb0v2auSpM4Th1LSykRQE/yLXldPwMbx9766CuF9kFenlkfJtOSvR4yS0hSq3pIB17pb2fOnRnzrr0bCt5u0e+X9lb7D77TQmENvimH4vzsIWcaOjorbKgEjLe5SZhGTLkh1VM1TS3Is57Daw7Yn2L4zuMX5rfmJcee1dab5paalrRjlhoX4QK0DNd1477960sMpb7hQoFHiAmT71zKRkLzDKztaIz6eaoCTukrS6V88N2r3JfC+T8435QGh7rk=','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('invitation','north',1,'AQABApcO/VgAg2Vvrj0Y5kINel4RawjfLj3P0Ne1iAqCuw+mOIAp91SLlVAigZEuVr8oRJQtDRFhesR0KzWi844jeHr/j22kHlcmRJZ9F/0Y/k087p7rrv4z5w==','2026-01-02T03:04:05.000000+00:00');
INSERT INTO "secret" VALUES('link-key','north/current',1,'AQAB9FTWfxkdQcXURvH4spDZD1C5M4TlYYPDJZUTxo5M+bojkQAvjpCdwbLNyYlze/iVMb3h3b+ThU4X4KtQb59Fmgi/gwCQV8TiJg4bFeQhKW3IUfLXLRw2Abl1LT3eXja/rUB7GMNCT2uEG0frgvypZ1rdEE2nox9tOlYGjS24HcmwZ0jwPNx4wtvs5jkJI5Tkg1+ZPXTtwkCuaUW39h3GdfMtN7ujxokVGI9IARVpt/U+5pVW4PzkwRdZm3nY2jKCMK844F2LOlFez5cqHlIx/12KMUeFQkrqfp/rTtXKzzSPZcg+huwWNW73ouvBqFkfjy+37e3849R3JVzZMEqK393TR20CxwdAcK64gek=','2026-01-02T03:04:05.000000+00:00');
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
CREATE INDEX ix_run_event_settled ON run_event (run) WHERE kind = 'settled';
CREATE INDEX ix_certificate_tenant_slot_number ON certificate (tenant, slot, number);
CREATE INDEX ix_certificate_purpose_slot_number ON certificate (purpose, slot, number);
COMMIT;
