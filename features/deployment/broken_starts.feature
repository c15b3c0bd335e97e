@deployment
Feature: A worker that cannot serve says so and harms nobody
  Somebody forgets a file, a disk is full, a volume is mounted wrong. The worker that is started so must end and say
  why, in words that reach whoever started it; the others must not notice.

  Every load is compared with itself: 2 seconds before anything happens, while it lasts, and after it.

  Rule: A worker without what it needs ends within 20 seconds with one clear reason, and the others go on

    Scenario Outline: A worker that is started with <flaw> ends and says why
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When one more worker is started with <flaw> under this load
      Then every request is answered in full
      And no token is lost or repeated
      And it ends within 20 seconds, and whoever started it is told of "<word>"
      And nothing piles up in the deployment

      @vllm
      Examples: vLLM
        | backend | flaw                    | word        |
        | vllm    | no model folder         | not found   |
        | vllm    | a corrupt configuration | config.json |

      @sglang
      Examples: SGLang
        | backend | flaw                    | word        |
        | sglang  | no model folder         | not found   |
        | sglang  | a corrupt configuration | config.json |

      @trtllm
      Examples: TensorRT-LLM
        | backend | flaw                    | word        |
        | trtllm  | no model folder         | not found   |
        | trtllm  | a corrupt configuration | config.json |

    @known_defect
    Scenario Outline: A worker that is started with <flaw> ends as well
      Known defect: Dynamo 1.4.2 lets it join; its frontend logs that its checksum differs from the others', and sends it requests.

      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When one more worker is started with <flaw> under this load
      Then every request is answered in full
      And no token is lost or repeated
      And it ends within 20 seconds, and whoever started it is told of "tokenizer"

      @vllm
      Examples: vLLM
        | backend | flaw                |
        | vllm    | no tokenizer        |
        | vllm    | a corrupt tokenizer |

      @sglang
      Examples: SGLang
        | backend | flaw                |
        | sglang  | no tokenizer        |
        | sglang  | a corrupt tokenizer |

      @trtllm
      Examples: TensorRT-LLM
        | backend | flaw                |
        | trtllm  | no tokenizer        |
        | trtllm  | a corrupt tokenizer |

  Rule: A worker that may not write where its model lies serves within 10 seconds all the same

    Scenario Outline: A worker that is started with a read-only cache serves as any other
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When one more worker is started with a read-only cache under this load
      Then every request is answered in full
      And no token is lost or repeated
      And within 5 seconds the frontend knows each worker once
      And every worker serves within 10 seconds
      And nothing piles up in the deployment

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
