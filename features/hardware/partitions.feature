@hardware @use.with_engine=counting
Feature: A network that fails between two parts of Dynamo makes no answer wrong
  The injection service stops packets between the parts that it is told, in silence or with a reset, and nobody else's.

  @known_defect_by_chance.dropped_request
  Rule: A worker that the frontend cannot reach makes no answer wrong, and all is as before within 20 seconds
    A worker that gets its last request just before the cut, and cannot call back any more, drops it without a word: that
    is a matter of chance, and told when it is met.

    Scenario Outline: A worker that is <cut> makes no answer wrong
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When one worker is <cut> for 6 seconds under this load
      Then every request is answered as before within 20 seconds
      And no token is lost or repeated
      And no request hangs

      @vllm
      Examples: vLLM
        | backend | cut                         |
        | vllm    | separated from the frontend |
        | vllm    | refused by the frontend     |

      @sglang
      Examples: SGLang
        | backend | cut                     |
        | sglang  | refused by the frontend |

      @trtllm
      Examples: TensorRT-LLM
        | backend | cut                     |
        | trtllm  | refused by the frontend |

  Rule: Who asks a worker that may not call the frontend hears within 12 seconds what becomes of the request

    @known_defect @vllm
    Scenario: A worker that is kept from calling the frontend keeps nobody waiting
      Known defect: in Dynamo 1.4.2 such a worker drops each request that it is given without a word, and whoever asked
      waits for ever, though another worker could answer. A worker calls the frontend anew for each answer.

      Given a vllm deployment with 2 workers that allows 3 migrations
      And 10 requests a second for 50 tokens each
      When one worker is kept from calling the frontend for 4 seconds under this load
      Then every client hears within 12 seconds what becomes of its request

  Rule: A worker that cannot reach NATS costs nobody an answer

    @vllm @nats
    Scenario: A worker that is separated from NATS costs nobody an answer
      Given a vllm deployment with 2 workers that allows 3 migrations, over NATS
      And 20 requests a second for 50 tokens each
      When one worker is separated from NATS for 6 seconds under this load
      Then every request is answered in full
      And no token is lost or repeated

  Rule: Workers that cannot reach each other are not missed by anybody

    @vllm
    Scenario: A worker that is separated from another one costs nobody an answer
      Given a vllm deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When one worker is separated from another worker for 6 seconds under this load
      Then every request is answered in full
      And no token is lost or repeated
      And no pause between answers is longer than 2 seconds
