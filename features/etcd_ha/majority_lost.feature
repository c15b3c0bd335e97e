@etcd_ha
Feature: Dynamo outlives the loss of etcd's majority
  Without a majority of its members etcd changes nothing and keeps no lease alive. What Dynamo knows it still knows: who
  serves what, and who asked. A lease lasts 10 seconds; for how long Dynamo may serve on without etcd is not promised.

  Every load is 10 requests a second.

  @known_defect_by_chance.lost_lease
  Rule: While a lease lasts, a majority that is missing for 4 seconds costs nobody anything
    In Dynamo 1.4.2 all that a frontend or worker has to take up again waits in one line; where its lease comes last
    there, it ends. That is a matter of chance, and told when it is met.

    Scenario Outline: Two of three etcd members that are gone for a moment are not missed
      Given a <backend> deployment with 2 workers and 3 etcd members
      And 10 requests a second for 30 tokens each
      When 2 etcd members are gone for 4 seconds under this load
      Then every request is answered in full
      And no token is lost or repeated
      And no pause between answers is longer than 2 seconds
      And the etcd members agree within 10 seconds
      And the frontend and every worker serve on

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

  @known_defect_by_chance.lost_lease @known_defect_by_chance.deaf_frontend
  Rule: A worker that joins while the majority is missing answers requests within 20 seconds of its return, not before
    One that asks a member that is gone may end, and is started again.

    @vllm
    Scenario: Nobody finds a new worker until etcd has a majority again
      Given a vllm deployment with 2 workers and 3 etcd members, where what ends is started again
      And 10 requests a second for 30 tokens each
      When this happens under the load
        | what happens                              | to whom        | when              |
        | gone                                      | 2 etcd members | after 20 requests |
        | joined by a new one that nobody waits for | one worker     | at once           |
      Then the new worker answers requests within 20 seconds of the failure's end
      And the new worker is not asked before the failure's end
      And every request is answered in full
      And no token is lost or repeated
      And what of Dynamo has ended says that it lost etcd

  @known_defect_by_chance.deaf_frontend
  Rule: When the majority is back after longer than a lease, Dynamo serves again within 60 seconds, without a hand
    A frontend that starts asks once which models there are. In Dynamo 1.4.2 one that asks a member which is not quite
    back knows of none for ever. That is a matter of chance, and told when it is met.

    Scenario Outline: Two of three etcd members that are gone for 15 seconds end no service for good
      Given a <backend> deployment with 2 workers and 3 etcd members, where what ends is started again
      And 10 requests a second for 30 tokens each
      When 2 etcd members are gone for 15 seconds under this load
      Then every request is answered in full again within 60 seconds of the failure's end
      And what of Dynamo has ended says that it lost etcd
      And the etcd members agree within 10 seconds

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |
