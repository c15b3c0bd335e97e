@hardware @use.with_engine=counting
Feature: A GPU that is strained makes its worker late, and costs nobody an answer
  A GPU that is too hot, that others use as well, or whose memory runs out goes on working, only worse. The injection
  service does that to the GPU of one worker. Where there is no GPU it does it to the worker itself, and says so.

  Every load is 20 requests a second, compared with itself: before, while it lasts, and after it. That Dynamo is patient
  with a late worker is observed, not promised.

  Rule: While a GPU is strained every request is answered in full, and 16 seconds after it began all is as before

    Scenario Outline: A worker whose GPU is <strained> for 6 seconds loses no answer
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When the GPU of one worker is <strained> for 6 seconds under this load
      Then every request is answered as before within 16 seconds
      And every request is answered in full
      And no token is lost or repeated

      @vllm
      Examples: vLLM
        | backend | strained                      |
        | vllm    | slightly throttled            |
        | vllm    | severely throttled            |
        | vllm    | slightly overheated           |
        | vllm    | severely overheated           |
        | vllm    | slightly shared with others   |
        | vllm    | severely shared with others   |
        | vllm    | slightly short of memory      |
        | vllm    | moderately short of memory    |

      @sglang
      Examples: SGLang
        | backend | strained             |
        | sglang  | moderately throttled |

      @trtllm
      Examples: TensorRT-LLM
        | backend | strained             |
        | trtllm  | moderately throttled |

  Rule: The more severe the strain, the later the worker

    @vllm
    Scenario Outline: A worker whose GPU is <strained> slightly, moderately and severely is later each time
      Given a vllm deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each, whose answers say who gave them
      When this happens under the load
        | what happens                        | to whom       | when              |
        | slightly <strained> for 5 seconds   | vllm-worker-0 | after 40 requests |
        | moderately <strained> for 5 seconds | vllm-worker-0 | 7 seconds later   |
        | severely <strained> for 5 seconds   | vllm-worker-0 | 7 seconds later   |
      Then each time its answers take longer than the time before
      And every request is answered in full
      And no token is lost or repeated

      Examples: strains
        | strained           |
        | throttled          |
        | overheated         |
        | shared with others |

  @serial
  Rule: A worker whose GPU is throttled slows down no answer of the others

    @vllm
    Scenario: The other workers answer as if nothing were
      Given a vllm deployment with 3 workers that get requests by memory
      And 20 requests a second for 50 tokens each, whose answers say who gave them
      When the GPU of one worker is severely throttled for 8 seconds under this load
      Then 99 of 100 answers of the other workers are complete within 1 second
      And every request is answered in full
      And no token is lost or repeated

  Rule: Where requests are spread by load, a worker of three whose GPU is throttled gets fewer than 3 in 10

    @vllm
    Scenario Outline: A throttled worker is spared where requests are spread <spread>
      Given a vllm deployment with 3 workers that get requests <spread>
      And 20 requests a second for 50 tokens each, whose answers say who gave them
      When the GPU of one worker is severely throttled for 10 seconds under this load
      Then the slow worker gives at most 29 of 100 answers
      And every request is answered in full
      And no token is lost or repeated

      Examples: ways
        | spread         |
        | by load        |
        | by load of two |
