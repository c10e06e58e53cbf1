"""Routes of replicas, part of the staff's table: what replicates calls them with a token of its own role."""

from __future__ import annotations

from typing import Final

from causeway_controller.contract.access import Permission
from causeway_controller.contract.replicas import (
    RegisterReplica,
    RegisterReplicas,
    ReplicaReport,
    Replicas,
)
from causeway_controller.contract.routes import BODY, ETAG, IF_MATCH, IF_NONE_MATCH, READ, RULES, Route
from causeway_wire.problem import ProblemType as P

_ONE: Final = "/v1/tenants/{tenant}/replicas/{vm}"

REPLICAS = Route(
    name="replicas",
    method="GET",
    path="/v1/tenants/{tenant}/replicas",
    summary="A tenant's replicas, and how old what is on their disks is",
    permission=Permission.READ_REPLICAS,
    response=Replicas,
    problems=READ,
)
REGISTER_REPLICAS = Route(
    name="register_replicas",
    method="POST",
    path="/v1/tenants/{tenant}/replicas",
    summary="Enter what stands in for several VMs, and their restore points: all of them, or none",
    permission=Permission.REGISTER_REPLICAS,
    request=RegisterReplicas,
    response=Replicas,
    query=("dry_run",),
    problems=(*BODY, *RULES, P.PRECONDITION_FAILED, P.FAILOVER_IN_PROGRESS),
)
REPLICA = Route(
    name="replica",
    method="GET",
    path=_ONE,
    summary="The replica of a VM; its strong ETag changes with whatever was entered or told of it",
    permission=Permission.READ_REPLICAS,
    success=(200, 304),
    response=ReplicaReport,
    headers=(IF_NONE_MATCH,),
    answers=(ETAG,),
    problems=READ,
)
REGISTER_REPLICA = Route(
    name="register_replica",
    method="PUT",
    path=_ONE,
    summary="Enter what stands in for a VM, and its restore point; if that is another VM, its host is asked",
    permission=Permission.REGISTER_REPLICAS,
    success=(200, 201),
    request=RegisterReplica,
    response=ReplicaReport,
    headers=(IF_MATCH,),
    answers=(ETAG,),
    problems=(*BODY, *RULES, P.PRECONDITION_FAILED, P.FAILOVER_IN_PROGRESS),
)
REMOVE_REPLICA = Route(
    name="remove_replica",
    method="DELETE",
    path=_ONE,
    summary="Forget the replica of a VM; the VM at the provider is not touched",
    permission=Permission.REGISTER_REPLICAS,
    success=(204,),
    headers=(IF_MATCH,),
    problems=(*READ, *RULES, P.INVALID, P.PRECONDITION_FAILED, P.FAILOVER_IN_PROGRESS),
)

REPLICA_ROUTES: Final = (REPLICAS, REGISTER_REPLICAS, REPLICA, REGISTER_REPLICA, REMOVE_REPLICA)
