@etcd_ha
Feature: Dynamo serves on when etcd is out of space
  An etcd that has reached its quota takes nothing new until its operator has made room. Those who are there must not
  suffer from it, and those who come must be there in the end.

  Every load is 10 requests a second.

  Rule: Whoever serves when etcd is full serves on

    Scenario Outline: Requests do not notice that etcd is full
      Given a <backend> deployment with 2 workers and 3 etcd members that have space for 16 MB
      And 10 requests a second for 30 tokens each
      When every etcd member is out of space for 14 seconds under this load
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

  Rule: Whoever comes while etcd is full answers requests within 15 seconds of there being room again

    @vllm
    Scenario: A worker that comes while etcd is full goes on trying
      Given a vllm deployment with 2 workers and 3 etcd members that have space for 16 MB
      And 10 requests a second for 30 tokens each
      When this happens under the load
        | what happens                              | to whom           | when              |
        | out of space                              | every etcd member | after 20 requests |
        | joined by a new one that nobody waits for | one worker        | at once           |
      Then the new worker answers requests within 15 seconds of the failure's end
      And the new worker is not asked before the failure's end
      And every request is answered in full
      And no token is lost or repeated
