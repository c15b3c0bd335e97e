@etcd_ha
Feature: Without a second etcd, Dynamo ends when its only one is lost, and says why
  Who runs a single etcd runs all of Dynamo on it. That is allowed; it must be clear what it costs. A lease lasts 10
  seconds: what Dynamo does in that time is observed, what it does after it is promised.

  Rule: Within 20 seconds of losing its only etcd every part of Dynamo has ended, and has said why
    Workers and frontend of Dynamo 1.4.2 stop some 0.1 seconds apart. Requests that come in between, when no worker
    answers any more, keep the frontend from ending. That there are any is a matter of chance, and told when it is met.

    Scenario Outline: An idle Dynamo ends when its only etcd is gone
      Given a <backend> deployment with 2 workers and 1 etcd member
      When the etcd member is killed
      Then the frontend and every worker end within 20 seconds and say that they lost etcd

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

    @known_defect_by_chance.waiting_frontend @vllm
    Scenario: A busy Dynamo ends when its only etcd is gone
      Given a vllm deployment with 2 workers and 1 etcd member
      And 10 requests a second for 30 tokens each
      When the etcd member is killed under this load
      Then the frontend and every worker end within 20 seconds and say that they lost etcd

  Rule: For 5 seconds Dynamo serves on without its only etcd

    @vllm
    Scenario: Requests are answered as if etcd were there
      Given a vllm deployment with 2 workers and 1 etcd member
      And 10 requests a second for 30 tokens each
      When the etcd member is gone for 5 seconds under this load
      Then every answer that was asked for in the meantime is given in full
      And no token is lost or repeated
      And what of Dynamo has ended says that it lost etcd

  Rule: An etcd that is back while leases last finds every worker as it was
    Whether a frontend finds back to it is a matter of chance in Dynamo 1.4.2: all that it has to take up again waits in
    one line, and when its lease comes last there, it ends after 6 to 8 seconds. It says that it lost etcd.

    @vllm
    Scenario: A restart of the only etcd that takes 2 seconds ends no worker
      Given a vllm deployment with 3 frontends, 2 workers and 1 etcd member
      When the etcd member is gone for 2 seconds
      Then every worker serves on
      And what of Dynamo has ended says that it lost etcd

  Rule: When the only etcd was away for 15 seconds, Dynamo serves again within 55 seconds of its loss, without a hand

    @vllm
    Scenario Outline: Dynamo serves again when its only etcd comes back <with>
      Given a vllm deployment with 2 workers and 1 etcd member, where what ends is started again
      When the etcd member is <gone> for 15 seconds
      Then the frontend serves again within 55 seconds
      And what of Dynamo has ended says that it lost etcd

      Examples: data
        | with                | gone                     |
        | with what it stored | gone                     |
        | with nothing        | gone with what it stored |
