"""What `causeway lab --help` says before its commands."""

from __future__ import annotations

LAB = """Both sites on this machine: tenants, cloud gateways, a provider and an internet.

Machines are network namespaces, appliances run the real agent and real OpenVPN. \
Everything lives in private namespaces of the lab's own: nothing on this machine changes, \
labs of different names run side by side, and nothing is left when one ends or is killed. \
Root is not needed where the kernel allows user namespaces.

[bold]causeway lab up[/]
  start it
[bold]causeway lab exec acme/web1 ping 192.168.10.12[/]
  production VM web1 reaches db1
[bold]causeway lab failover acme/db1[/]
  db1 loses its power and goes on at the provider
[bold]causeway lab exec acme/web1 ping 192.168.10.12[/]
  the same address, now the replica
[bold]causeway lab status[/]
  where everything runs
[bold]causeway lab undo acme/db1[/]
  and back

[bold]causeway lab line acme --delay 40ms --jitter 20ms --loss 1% --mtu 1400 --no-icmp[/]
  the same over a line like a real one
[bold]causeway lab line acme --clear[/]
  and over a clear one

[bold]causeway lab rehearse acme[/]
  all replicas beside the running production, cut off from it; how fast each is ready
[bold]causeway lab rehearse acme --end[/]
  and gone
[bold]causeway lab failover --full acme[/]
  the whole site loses its power; the provider's appliance becomes its gateway
[bold]causeway lab exec internet-host curl 198.51.100.11[/]
  web1 answers at its public address
[bold]causeway lab publish acme/app2 8081 --port 80[/]
  one more service, at once
[bold]causeway lab undo --full acme[/]
  and back
[bold]causeway lab down[/]
  all gone

VMs are written tenant/vm. Both tenants, acme and globex, have web1 and db1 (192.168.10.11 and .12), \
app2 and files2 (192.168.20.11 and .12): the same addresses, on purpose. In full failover the first \
network may open connections to the internet, the second may not; acme asked for packets to be routed \
between them, globex did not."""
