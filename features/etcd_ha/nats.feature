@etcd_ha @nats
Feature: Dynamo outlives the loss of NATS
  Where requests travel over NATS, it is the only road to the workers. It is lost and comes back like anything else.
  Where they travel over TCP, nobody must notice.

  Every load is 10 requests a second. That some requests wait for NATS and others are turned away at once is observed.

  Rule: While NATS is away requests wait or are turned away, and within 10 seconds of its return each is answered in full

    Scenario Outline: NATS that is killed and started again costs no answer that has begun
      Given a <backend> deployment with 2 workers that allows 3 migrations, over NATS
      And 10 requests a second for 30 tokens each
      When NATS is gone for 4 seconds under this load
      Then every request is answered in full again within 10 seconds of the failure's end
      And every answer that has begun is given in full
      And no token is lost or repeated
      And everybody who is not answered in full is told of an error
      And no request hangs
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

    @vllm
    Scenario: NATS that is killed and started again costs no answer that has begun, where requests are spread by memory
      Given a vllm deployment with 2 workers that get requests by memory, over NATS
      And 10 requests a second for 30 tokens each
      When NATS is gone for 4 seconds under this load
      Then every request is answered in full again within 10 seconds of the failure's end
      And every answer that has begun is given in full
      And no token is lost or repeated
      And everybody who is not answered in full is told of an error
      And no request hangs
      And the frontend and every worker serve on

    @vllm
    Scenario: NATS that comes back with nothing of what it stored serves as before
      Given a vllm deployment with 2 workers that allows 3 migrations, over NATS
      And 10 requests a second for 30 tokens each
      When NATS is gone with what it stored for 4 seconds under this load
      Then every request is answered in full again within 10 seconds of the failure's end
      And every answer that has begun is given in full
      And no token is lost or repeated
      And everybody who is not answered in full is told of an error
      And no request hangs
      And the frontend and every worker serve on

    @vllm
    Scenario: NATS that is away for 15 seconds serves as before when it is back
      Given a vllm deployment with 2 workers that allows 3 migrations, over NATS
      And 10 requests a second for 30 tokens each
      When NATS is gone for 15 seconds under this load
      Then every request is answered in full again within 10 seconds of the failure's end
      And every answer that has begun is given in full
      And no token is lost or repeated
      And everybody who is not answered in full is told of an error
      And no request hangs
      And the frontend and every worker serve on

  Rule: A worker that is cut off from NATS costs nobody an answer

    @vllm
    Scenario Outline: A worker that is <cut> NATS for 14 seconds costs nobody an answer
      Given a vllm deployment with 2 workers that allows 3 migrations, over NATS
      And 10 requests a second for 30 tokens each
      When one worker is <cut> NATS for 14 seconds under this load
      Then every request is answered in full
      And no token is lost or repeated

      Examples: cuts
        | cut          |
        | cut off from |
        | deaf to      |

  Rule: Frontends that lose NATS one after the other answer every request in full within 10 seconds of its return

    @vllm
    Scenario: Two frontends that lose NATS one after the other cost no answer that has begun
      Given a vllm deployment with 2 frontends and 2 workers that get requests by memory, over NATS
      And 10 requests a second for 30 tokens each
      When this happens under the load
        | what happens                    | to whom    | when              |
        | cut off from NATS for 4 seconds | frontend-0 | after 20 requests |
        | cut off from NATS for 4 seconds | frontend-1 | 6 seconds later   |
      Then every request is answered in full again within 10 seconds of the failure's end
      And every answer that has begun is given in full
      And no token is lost or repeated
      And everybody who is not answered in full is told of an error
      And no request hangs
      And the frontend and every worker serve on

  Rule: Where requests travel over TCP, NATS is not missed

    @vllm
    Scenario Outline: NATS that is <lost> is not missed where requests travel over TCP
      Given a vllm deployment with 2 workers that allows 3 migrations, over TCP
      And 10 requests a second for 30 tokens each
      When NATS is <lost> for 8 seconds under this load
      Then every request is answered in full
      And no token is lost or repeated
      And no pause between answers is longer than 2 seconds
      And the frontend and every worker serve on

      Examples: ways
        | lost   |
        | gone   |
        | frozen |
