@deployment
Feature: A deployment that has lost all workers of a kind says so
  Where reading prompts and writing answers is the work of different machines, all machines of one kind can be lost
  while those of the other kind are well. Nobody must then be kept waiting for what cannot come.

  Every load is compared with itself: 2 seconds before anything happens, while it lasts, and after it.

  Rule: Whoever asks a second after a kind of worker is lost hears within 2 seconds, and all is as before 5 seconds after its return

    @serial
    Scenario Outline: The loss of every <kind> worker leaves nobody waiting
      Given a <backend> deployment with 2 prefill and 2 decode workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When every <kind> worker is gone for 15 seconds under this load
      Then every request is answered as before within 20 seconds
      And whoever comes a second later hears within 2 seconds what becomes of its request
      And every client hears within 12 seconds what becomes of its request
      And everybody who is not answered in full is told of an error
      And 12 seconds after the loss newcomers are told that nobody serves
      And nothing piles up in the deployment

      @vllm
      Examples: vLLM
        | backend | kind    |
        | vllm    | prefill |
        | vllm    | decode  |

      @sglang
      Examples: SGLang
        | backend | kind    |
        | sglang  | prefill |
        | sglang  | decode  |

      @trtllm
      Examples: TensorRT-LLM
        | backend | kind    |
        | trtllm  | prefill |
        | trtllm  | decode  |

    @known_defect
    Scenario Outline: Newcomers are told from the first second on that nobody serves, when every <kind> worker is lost
      Known defect: for up to 10 seconds Dynamo 1.4.2 calls it an internal error, HTTP 500, until the last lease has ended.

      Given a <backend> deployment with 2 prefill and 2 decode workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When every <kind> worker is gone for 4 seconds under this load
      Then no token is lost or repeated
      And 1 second after the loss newcomers are told that nobody serves

      @vllm
      Examples: vLLM
        | backend | kind    |
        | vllm    | prefill |
        | vllm    | decode  |

      @sglang
      Examples: SGLang
        | backend | kind    |
        | sglang  | prefill |
        | sglang  | decode  |

      @trtllm
      Examples: TensorRT-LLM
        | backend | kind    |
        | trtllm  | prefill |
        | trtllm  | decode  |

  Rule: Answers that are being written go on when every worker that reads prompts is lost

    Scenario Outline: Answers that are being written do not need those who read prompts
      Given a <backend> deployment with 2 prefill and 2 decode workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When every prefill worker is killed under this load
      Then every answer that has begun is given in full
      And no token is lost or repeated

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
