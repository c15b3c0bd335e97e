"""The local target: real Dynamo, etcd and NATS as processes of this machine, each in a network namespace of its own."""
