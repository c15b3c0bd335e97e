@deployment
Feature: Planned changes cost no request
  Operators restart, upgrade and resize a deployment while people use it. They must be able to do so at noon.

  Every load is compared with itself: 2 seconds before anything happens, while it lasts, and after it.

  Rule: While workers are changed one by one, every request is answered in full

    @migration
    Scenario Outline: A rolling restart of all workers costs no request
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When all workers are restarted one by one under this load
      Then every request is answered in full
      And no token is lost or repeated
      And what Dynamo counts is what the clients saw

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

    @migration
    Scenario Outline: All workers can be replaced without a request lost, the new one first
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When all workers are replaced one by one under this load
      Then every request is answered in full
      And no token is lost or repeated
      And what Dynamo counts is what the clients saw

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

    Scenario Outline: A worker taken away under load costs no request
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When one worker is taken away under this load
      Then every request is answered in full
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

    Scenario Outline: A worker that joins under load disturbs nobody
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 8 clients that ask for 50 tokens again and again
      When one worker is joined by one more under this load
      Then every request is answered in full
      And no token is lost or repeated
      And what Dynamo counts is what the clients saw
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

    Scenario Outline: An upgrade from Dynamo 1.4.1 to 1.4.2 costs no request
      Given a <backend> deployment of Dynamo 1.4.1 with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When all workers are upgraded one by one to Dynamo 1.4.2 under this load
      Then every request is answered in full
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
