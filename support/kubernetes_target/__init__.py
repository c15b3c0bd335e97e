"""The Kubernetes target: real Dynamo, etcd and NATS in the pods of a cluster.

A component is a pod of a StatefulSet; its container holds a keeper (`keeper`), which runs and keeps the component's
process exactly as the local target does here. Every run has a namespace of its own that owns the namespaces of its
deployments, and in it a reaper that deletes it all when the run is heard of no more.
"""
